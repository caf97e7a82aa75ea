import { readdirSync, readFileSync } from 'node:fs'
import { configNames } from '@jackcloud/api'
import { tools } from '@jackcloud/sdk/mcp'
import { errorCodes, limits, type Operation, operations } from '@jackcloud/sdk/wire'
import { expect, test } from 'vitest'

const root = new URL('..', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const pages = [
  'README.md',
  'AGENTS.md',
  'skill/SKILL.md',
  ...markdown('docs/'),
  ...markdown('docs/decisions/'),
]

function markdown(folder: string): string[] {
  return readdirSync(new URL(folder, root))
    .filter((it) => it.endsWith('.md'))
    .map((it) => folder + it)
}

test('every error code is explained with its status, and no other is', () => {
  const rows = [...read('docs/errors.md').matchAll(/^\| `([a-z_]+)` \| (\d{3}) \|/gm)]
  const explained = Object.fromEntries(rows.map(([, code, status]) => [code, Number(status)]))
  expect(explained).toEqual(
    Object.fromEntries(Object.entries(errorCodes).map(([code, { status }]) => [code, status])),
  )
})

test('every variable of the configuration is explained, and no other is', () => {
  const rows = [...read('docs/self-hosting.md').matchAll(/^\| `([A-Z_]+)` \|/gm)].map(
    ([, name]) => name,
  )
  expect(rows.toSorted()).toEqual(configNames.toSorted())
})

test('the limits are the ones that hold', () => {
  const page = read('docs/limits.md')
  for (const row of [
    `| execution: CPU time | ${limits.execution.cpuMs} ms |`,
    `| execution: wall time | ${limits.execution.wallMs / 1_000} s |`,
    `| execution: memory | ${limits.execution.memoryMb} MB |`,
    `| source files of a request, together | ${limits.sourceBytes / 1_000} KB |`,
    `| bundle | ${limits.bundleBytes / 1_048_576} MB |`,
    `| static files of a deployment | ${limits.assetBytes / 1_048_576} MB, ${limits.assetFiles.toLocaleString('en')} files |`,
    `| hosted app: one stretch of CPU without pause | ${limits.hosting.requestCpuMs / 1_000} s |`,
    `| hosted app: requests at once | ${limits.hosting.requestsAtOnce}, then 503 with \`Retry-After\` |`,
    `| hosted app: WebSockets at once | ${limits.hosting.socketsAtOnce.toLocaleString('en')} |`,
    `| hosted app: request body | ${limits.hosting.requestBodyBytes / 1_048_576} MB |`,
    `| staged files of a project | ${limits.staging.bytes / 1_000_000} MB, ${limits.staging.files} files, ${limits.sourceBytes / 1_000} KB of it source; ${limits.staging.accountBytes / 1_000_000} MB an account; for ${limits.staging.hours} hours |`,
    `at once | ${limits.hosting.egress.connections}, and ${limits.hosting.egress.waiting} wait`,
    `| ${limits.hosting.egress.requestsPerSecond}, after a pause ${limits.hosting.egress.burst} |`,
    `takes ${limits.hosting.scheduledMs / 60_000} minutes at most |`,
    `| ${limits.services.hops} apps deep, ${limits.services.callsUnderWay} under way |`,
    `| ${limits.databases.count}; a statement ${limits.databases.statementBytes / 1_000} KB, the results of a call ${limits.databases.resultBytes / 1_048_576} MB |`,
    `| environment of a project | ${limits.envNames} names, ${limits.envValueBytes / 1_024} KB a value |`,
  ]) {
    expect(page).toContain(row)
  }
})

test('links between pages lead somewhere', () => {
  for (const page of pages) {
    for (const [, target] of read(page).matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)) {
      const url = new URL(target as string, new URL(page, root))
      expect(
        () => (target?.endsWith('/') ? readdirSync(url) : readFileSync(url)),
        `${page}: ${target}`,
      ).not.toThrow()
    }
  }
})

test('pages name only pnpm scripts and files that exist', () => {
  const { scripts } = JSON.parse(read('package.json'))
  for (const page of ['README.md', 'AGENTS.md']) {
    for (const [, script] of read(page).matchAll(/pnpm(?:@12)? ([a-z]+)/g)) {
      if (script !== 'changeset')
        expect(Object.keys(scripts), `${page}: pnpm ${script}`).toContain(script)
    }
  }
})

test('the description of the API has every operation', () => {
  expect(Object.values(operations).every((it) => it.path.startsWith('/'))).toBe(true)
  expect(new Set(Object.values(operations).map((it) => `${it.method} ${it.path}`)).size).toBe(
    Object.keys(operations).length,
  )
})

test('every tool for agents is explained, with its price and its toolset, and no other is', () => {
  const rows = [...read('docs/mcp.md').matchAll(/^\| `([a-z_]+)` \| .* \| (.*) ?\| (\w+) \|$/gm)]
  const explained = rows.map(([, name, price, toolset]) => [name, price?.trim(), toolset])
  const stated = tools.map((it) => {
    const { price }: Operation = operations[it.operations[0]]
    const costs = { execution: '$0.01', deploy: '$0.05', amount: 'the amount' }
    return [it.name, price ? costs[price] : '', it.toolset]
  })
  expect(explained.toSorted()).toEqual(stated.toSorted())
})
