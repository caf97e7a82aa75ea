import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(() => cloud.close())

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(new URL(path, cloud.url), { headers })

test('the skill is served as it is written, and its index names its digest', async () => {
  const index = await (await get('/.well-known/agent-skills/index.json')).json()
  expect(index.$schema).toBe('https://schemas.agentskills.io/discovery/0.2.0/schema.json')
  const [skill, ...others] = index.skills
  expect([skill.name, skill.type, others]).toEqual(['jack', 'skill-md', []])
  const file = readFileSync(new URL('../../../../skill/SKILL.md', import.meta.url))
  for (const path of ['/SKILL.md', skill.url]) {
    const answer = await get(path)
    expect(answer.headers.get('content-type')).toBe('text/markdown; charset=utf-8')
    const bytes = Buffer.from(await answer.arrayBuffer())
    expect(bytes.equals(file)).toBe(true)
    expect(skill.digest).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`)
  }
  expect(file.toString()).toContain(`\ndescription: ${skill.description}\n`)
})

test('every address in a catalog answers with the type that it is said to have', async () => {
  const catalog = await get('/.well-known/api-catalog')
  expect(catalog.headers.get('content-type')).toMatch(/^application\/linkset\+json; profile=/)
  const { linkset } = await catalog.json()
  const { entries } = await (await get('/.well-known/ai-catalog.json')).json()
  const targets = [
    ...linkset.flatMap((it: object) => Object.values(it).flat()),
    ...entries.map((it: { url: string; type: string }) => ({ href: it.url, type: it.type })),
  ].filter((it) => typeof it === 'object')
  expect(targets.length).toBeGreaterThan(6)
  for (const { href, type } of targets) {
    const { status, headers } = await get(href)
    expect([href, status]).toEqual([href, 200])
    expect(headers.get('content-type')).toContain(type)
  }
})

test('the card of the MCP server names its endpoints by the name that was asked', async () => {
  const { port } = new URL(cloud.url)
  for (const path of ['/.well-known/mcp.json', '/mcp/server-card']) {
    const card = await (await fetch(`http://localhost:${port}${path}`)).json()
    expect(card).toMatchObject({
      name: 'localhost/jack',
      // This cloud takes no payments, so there is nothing for strangers.
      remotes: [{ type: 'streamable-http', url: `http://localhost:${port}/mcp` }],
    })
    expect(card.description.length).toBeLessThanOrEqual(100)
  }
})

test('who connects as the card says finds the server that it describes', async () => {
  const { title, version, remotes } = await (await get('/mcp/server-card')).json()
  for (const { url, supportedProtocolVersions } of remotes) {
    for (const protocolVersion of supportedProtocolVersions) {
      const { pathname } = new URL(url)
      const { json } = await cloud.api('POST', pathname, {
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: {
          protocolVersion,
          capabilities: {},
          clientInfo: { name: 'visitor', version: '1' },
        },
      })
      expect(json.result).toMatchObject({ protocolVersion, serverInfo: { title, version } })
    }
  }
})

test('what describes the API leads to the rest, also by HEAD and from a web page', async () => {
  for (const path of ['/', '/llms.txt', '/openapi.json', '/SKILL.md', '/.well-known/api-catalog']) {
    const { headers, status } = await fetch(new URL(path, cloud.url), { method: 'HEAD' })
    expect([path, status]).toEqual([path, 200])
    const link = headers.get('link') ?? ''
    for (const [, target] of link.matchAll(/<([^>]+)>/g))
      expect((await get(target as string)).status).toBe(200)
    expect(link).toContain('rel="api-catalog"')
  }
  for (const path of ['/v1/me', '/nowhere'])
    expect((await get(path)).headers.get('link')).toContain('</llms.txt>; rel="service-doc"')
  const skill = await get('/SKILL.md', { origin: 'https://elsewhere.example' })
  expect(skill.headers.get('access-control-allow-origin')).toBe('*')
})

test('the root answers a browser with a page and a program with text or JSON', async () => {
  const page = await get('/', { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' })
  expect(page.headers.get('content-type')).toContain('text/html')
  const html = await page.text()
  for (const [, target] of html.matchAll(/href="(\/[^"]*)"/g))
    expect([target, (await get(target as string)).status]).toEqual([target, 200])
  expect(await (await get('/')).text()).toBe(await (await get('/llms.txt')).text())
  const overview = await (await get('/', { accept: 'application/json' })).json()
  for (const key of ['openapi', 'llms', 'skill', 'status'])
    expect((await get(overview[key])).status).toBe(200)
})
