import { z } from 'zod'
import { Files, LogLine } from '../../wire/Execute.ts'
import { limits } from '../../wire/limits.ts'
import { Usd } from '../../wire/Usd.ts'
import { tool } from '../Tool.ts'

export const executeCode = tool({
  name: 'execute_code',
  title: 'Run code once',
  toolset: 'compute',
  operations: ['execute'],
  also: `At most ${limits.execution.cpuMs} ms of CPU, ${limits.execution.wallMs / 1_000} s, ${limits.execution.memoryMb} MB.`,
  input: z.strictObject({
    code: z
      .string()
      .min(1)
      .optional()
      .describe('A module, such as: export const run = ({ a, b }) => a + b'),
    files: Files.optional().describe('Instead of code: path to content'),
    entry: z.string().max(512).optional().describe('The file that exports run'),
    input: z.unknown().optional().describe('JSON that is handed to run'),
    timeout_ms: z.number().int().min(1).max(60_000).optional(),
  }),
  output: z.object({
    execution_id: z.string(),
    result: z.unknown(),
    logs: z.array(LogLine),
    duration_ms: z.number(),
    cpu_ms: z.number(),
    charged_usd: Usd,
  }),
  async run({ input, jack, signal }) {
    const { limits: _, ...answer } = await jack.execute(input, { signal })
    return answer
  },
})
