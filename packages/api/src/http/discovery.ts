import { readSkill } from '@jackcloud/sdk/skill'
import { SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js'
import type { Hono } from 'hono'
import { cors } from 'hono/cors'
import { isLoopback } from '../Config.ts'
import type { Jack } from '../jack.ts'
import type { Door } from './Door.ts'
import { baseOf } from './oauth/resources.ts'
import { cacheControl, links } from './openapi.ts'

/** Where programs that know nothing but this host find out what is here. Everybody may read it, also from a web page. */
export function discoveryDoor(app: Hono<Door>, jack: Jack): void {
  const skill = readSkill()
  const skillPath = `/.well-known/agent-skills/${skill.name}/SKILL.md`
  const index = skillIndex(skill, skillPath, jack.sha256(skill.text))

  const publish = (path: string, type: string, content: (base: string) => string | object) => {
    app.use(path, cors())
    app.get(path, (c) => {
      const it = content(baseOf(c, jack))
      return c.body(typeof it === 'string' ? it : JSON.stringify(it), 200, {
        'content-type': type,
        'cache-control': cacheControl,
        link: links,
        vary: 'host',
      })
    })
  }
  const markdown = 'text/markdown; charset=utf-8'
  const card = (base: string) => serverCard(base, jack)
  publish('/SKILL.md', markdown, () => skill.text)
  publish(skillPath, markdown, () => skill.text)
  publish('/.well-known/agent-skills/index.json', 'application/json', () => index)
  publish('/.well-known/api-catalog', linkset, apiCatalog)
  publish('/.well-known/mcp.json', 'application/json', card)
  publish('/mcp/server-card', cardType, card)
  publish('/.well-known/ai-catalog.json', 'application/ai-catalog+json', aiCatalog)
}

/** https://github.com/cloudflare/agent-skills-discovery-rfc, version 0.2.0. */
const skillIndex = (
  { name, description }: ReturnType<typeof readSkill>,
  url: string,
  sha256: string,
) => ({
  $schema: 'https://schemas.agentskills.io/discovery/0.2.0/schema.json',
  skills: [{ name, type: 'skill-md', description, url, digest: `sha256:${sha256}` }],
})

const linkset =
  'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"; charset=utf-8'

/** RFC 9727: what interfaces there are, and where each is described. */
const apiCatalog = (base: string) => {
  const docs = [
    { href: `${base}/llms.txt`, type: 'text/plain' },
    { href: `${base}/SKILL.md`, type: 'text/markdown' },
  ]
  return {
    linkset: [
      {
        anchor: `${base}/`,
        'service-desc': [{ href: `${base}/openapi.json`, type: 'application/json' }],
        'service-doc': docs,
        status: [{ href: `${base}/readyz`, type: 'application/json' }],
      },
      {
        anchor: `${base}/mcp`,
        'service-desc': [{ href: `${base}/mcp/server-card`, type: cardType }],
        'service-doc': docs,
      },
    ],
  }
}

const cardType = 'application/mcp-server-card+json'

/** SEP-2127 of the Model Context Protocol: what a client has to know before it connects. */
const serverCard = (base: string, { payments }: Jack) => ({
  $schema: 'https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json',
  name: `${reversed(base)}/jack`,
  title: 'Jack',
  version: '1',
  description: 'Runs code in fresh isolates and puts programs on live URLs, paid per use.',
  websiteUrl: `${base}/`,
  remotes: [
    remote(`${base}/mcp`, [
      {
        name: 'Authorization',
        description: 'Bearer and a token (jkt_...). Without it, the client signs in by OAuth.',
        isRequired: false,
        isSecret: true,
      },
    ]),
    ...(payments ? [remote(`${base}/mcp/public`)] : []),
  ],
})

const remote = (url: string, headers?: object[]) => ({
  type: 'streamable-http',
  url,
  ...(headers && { headers }),
  supportedProtocolVersions: SUPPORTED_PROTOCOL_VERSIONS,
})

/** https://github.com/Agent-Card/ai-catalog: by a host's name alone, to its MCP server. */
const aiCatalog = (base: string) => ({
  specVersion: '1.0',
  host: { displayName: 'Jack' },
  entries: [
    {
      identifier: `urn:air:${hostOf(base)}:jack`,
      displayName: 'Jack',
      type: cardType,
      url: `${base}/mcp/server-card`,
    },
  ],
})

const reversed = (base: string): string => hostOf(base).split('.').reverse().join('.')

const hostOf = (base: string): string => {
  const host = new URL(base).hostname.replace(/[[\]]/g, '')
  return isLoopback(host) ? 'localhost' : host
}
