import { type Operation, operations } from '../wire/operations.ts'
import { prices } from '../wire/prices.ts'
import { toUsd } from '../wire/Usd.ts'
import { inputSchema, outputSchema } from './schema.ts'
import type { Tool, Toolset } from './Tool.ts'
import * as compute from './tools/compute.ts'
import * as projects from './tools/projects.ts'

/** Every tool, by name. */
export const tools: ReadonlyMap<string, Tool> = new Map(
  [...Object.values(compute), ...Object.values(projects)]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((it) => [it.name, it]),
)

/** The tools of some toolsets as `tools/list` tells them. */
export const listed = (toolsets: readonly Toolset[]) =>
  [...tools.values()].filter((it) => toolsets.includes(it.toolset)).map(describe)

function describe(it: Tool) {
  const operation: Operation = operations[it.operations[0]]
  return {
    name: it.name,
    title: it.title,
    description: [`${it.does ?? operation.summary}.`, it.when, it.not, cost(operation)].join(' '),
    inputSchema: inputSchema(it.input),
    outputSchema: outputSchema(it.output),
    annotations: {
      readOnlyHint: it.readOnly,
      destructiveHint: it.destructive,
      idempotentHint: it.idempotent,
      openWorldHint: it.openWorld,
    },
  }
}

function cost({ price }: Operation): string {
  if (price === undefined) return 'Free.'
  if (price === 'amount') return 'Costs what it adds.'
  return `Costs $${toUsd(prices[price]).replace(/0+$/, '')}, only on success.`
}
