import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { z } from 'zod'

export function addTools(server: McpServer): void {
  server.registerTool(
    'roll_dice',
    {
      title: 'Roll dice',
      description: 'Rolls dice and answers each one and their sum.',
      inputSchema: {
        count: z.number().int().min(1).max(100).default(1),
        sides: z.number().int().min(2).max(1_000).default(6),
      },
      outputSchema: { dice: z.array(z.number()), sum: z.number() },
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ count, sides }) => {
      const dice = Array.from({ length: count }, () => 1 + Math.floor(Math.random() * sides))
      return answer({ dice, sum: dice.reduce((sum, it) => sum + it, 0) })
    },
  )

  server.registerTool(
    'time_in',
    {
      title: 'Time in a place',
      description: 'The time now in a time zone of the IANA list, such as Europe/Vienna.',
      inputSchema: { zone: z.string() },
      outputSchema: { zone: z.string(), time: z.string() },
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ zone }) => answer({ zone, time: new Date().toLocaleString('sv', { timeZone: zone }) }),
  )
}

/** The same for programs and for models. */
const answer = (it: Record<string, unknown>) => ({
  structuredContent: it,
  content: [{ type: 'text' as const, text: JSON.stringify(it) }],
})
