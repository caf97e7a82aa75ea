import { tools } from '@jackcloud/sdk/mcp'
import { type Operation, operations, prices, toUsd } from '@jackcloud/sdk/wire'

/** `docs/operations.md`: everything that Jack can do, and each way to do it. */
export const operationsPage = (): string => `# Operations

Everything that Jack does, and each way to do it. Made of \`packages/sdk/src/wire/operations.ts\` by
\`node --conditions=jack:src scripts/operations.ts\`; a test fails when it is stale.

| operation | route | client | command | tool | scope | price |
|---|---|---|---|---|---|---|
${Object.entries(operations).map(row).join('\n')}

A route says what it takes and answers in \`/openapi.json\`. A token needs the scope; \`admin\` includes the rest.

## What they do

${Object.entries(operations).map(paragraph).join('\n')}
`

function row([name, it]: [string, Operation]): string {
  const tool = toolOf(name)
  const cells = [
    `\`${name}\``,
    `\`${it.method} ${it.path.replaceAll(/:(\w+)/g, '{$1}')}\``,
    `\`${it.client}\``,
    it.command === null ? '' : `\`jack ${it.command}\``,
    tool ? `\`${tool.name}\`` : '',
    it.scope ?? '',
    price(it),
  ]
  return `| ${cells.join(' | ')} |`
}

const paragraph = ([name, it]: [string, Operation]): string =>
  [`- **${name}**: ${it.summary}.`, it.when, it.not && `Not: ${it.not}`].filter(Boolean).join(' ')

const toolOf = (name: string) =>
  tools.find((it) => it.operations[0] === name) ??
  tools.find((it) => it.operations.some((used) => used === name))

function price({ price }: Operation): string {
  if (price === undefined) return ''
  return price === 'amount' ? 'the amount' : `$${toUsd(prices[price]).replace(/0{1,4}$/, '')}`
}
