import { z } from 'zod'
import { ExecuteRequest, ExecuteResponse } from '../../wire/Execute.ts'
import { tool } from '../Tool.ts'

export const executeCode = tool({
  name: 'execute_code',
  title: 'Run code once',
  toolset: 'compute',
  operations: ['execute'],
  when: 'To compute, transform or try something out: JavaScript or TypeScript that exports `run(input)`, npm imports allowed, no network.',
  not: 'For something that stays reachable use deploy_project.',
  input: ExecuteRequest.extend({ input: z.unknown().optional() }),
  output: ExecuteResponse,
  readOnly: false,
  destructive: false,
  idempotent: false,
  openWorld: false,
  run: ({ input, jack, signal }) => jack.execute(input, { signal }),
})
