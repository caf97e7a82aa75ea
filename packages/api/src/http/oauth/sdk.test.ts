import { auth, type OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type {
  OAuthClientInformationMixed,
  OAuthTokens,
} from '@modelcontextprotocol/sdk/shared/auth.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ClientDocuments } from '../../clients/ClientDocuments.ts'
import type { Browser } from '../../testing/browser.ts'
import { type TestCloud, testCloud } from '../../testing/cloud.ts'
import { documentServer, sendJson } from '../../testing/documentServer.ts'
import { decide, signedInBrowser } from '../../testing/oauth.ts'

let cloud: TestCloud
let browser: Browser
let server: Awaited<ReturnType<typeof documentServer>>
const redirect_uris = ['http://127.0.0.1:4711/callback']
beforeAll(async () => {
  cloud = await testCloud()
  browser = await signedInBrowser(cloud)
  server = await documentServer((req, res) =>
    sendJson(res, {
      client_id: `${server.origin}${req.url}`,
      client_name: 'A known client',
      redirect_uris,
    }),
  )
  cloud.jack.clientDocuments = new ClientDocuments(server)
})
afterAll(async () => {
  server.close()
  await cloud.close()
})

/** What the author of a client writes; everything else is the library's, as others have it. */
class Provider implements OAuthClientProvider {
  readonly redirectUrl = redirect_uris[0] as string
  readonly clientMetadata = { client_name: 'MCP client', redirect_uris }
  readonly clientMetadataUrl?: string
  client: OAuthClientInformationMixed | undefined
  kept: OAuthTokens | undefined
  opened: URL | undefined
  #verifier = ''

  constructor(clientMetadataUrl?: string) {
    if (clientMetadataUrl !== undefined) this.clientMetadataUrl = clientMetadataUrl
  }

  state = () => 'a-state'
  clientInformation = () => this.client
  saveClientInformation = (it: OAuthClientInformationMixed) => {
    this.client = it
  }
  tokens = () => this.kept
  saveTokens = (it: OAuthTokens) => {
    this.kept = it
  }
  redirectToAuthorization = (url: URL) => {
    this.opened = url
  }
  saveCodeVerifier = (it: string) => {
    this.#verifier = it
  }
  codeVerifier = () => this.#verifier

  /** The person agrees in the browser that was opened, which comes back with the code. */
  async consent(): Promise<string> {
    expect(this.opened?.origin).toBe(cloud.url)
    const page = await browser.get(`${this.opened?.pathname}${this.opened?.search}`)
    const { location = '' } = await decide(browser, page)
    const back = new URL(location)
    expect(Object.fromEntries(back.searchParams)).toMatchObject({
      state: 'a-state',
      iss: cloud.url,
    })
    return back.searchParams.get('code') ?? ''
  }
}

async function toolsFor(provider: Provider, url = `${cloud.url}/mcp`): Promise<string[]> {
  const connect = async (transport: StreamableHTTPClientTransport) => {
    const client = new Client({ name: 'test', version: '1' })
    await client.connect(transport as Parameters<typeof client.connect>[0])
    return client
  }
  const transport = () =>
    new StreamableHTTPClientTransport(new URL(url), { authProvider: provider })
  const first = transport()
  await expect(connect(first)).rejects.toThrow(/unauthorized/i)
  await first.finishAuth(await provider.consent())
  const client = await connect(transport())
  const { tools } = await client.listTools()
  const me = await client.callTool({ name: 'whoami', arguments: {} })
  expect(me.structuredContent).toMatchObject({ slug: 'local' })
  await client.close()
  return tools.map((it) => it.name)
}

test('the client of the MCP SDK signs in by itself: it finds the server, registers, asks, calls tools, refreshes', async () => {
  const provider = new Provider()
  expect(await toolsFor(provider)).toContain('execute_code')
  expect(provider.client?.client_id).toMatch(/^cli_/)
  const before = provider.kept
  expect(before?.scope).toBe('read execute deploy')
  const refreshed = await auth(provider, { serverUrl: `${cloud.url}/mcp` })
  expect(refreshed).toBe('AUTHORIZED')
  expect(provider.kept?.access_token).not.toBe(before?.access_token)
  const api = await cloud.api('GET', '/v1/me', undefined, {
    authorization: `Bearer ${provider.kept?.access_token}`,
  })
  expect(api.status).toBe(401)
})

test('a client that is known by the address of its metadata does not register', async () => {
  const url = `${server.origin}/client.json`
  const provider = new Provider(url)
  expect(await toolsFor(provider)).toContain('execute_code')
  expect(provider.client?.client_id).toBe(url)
  const { json } = await cloud.api('GET', '/v1/tokens')
  expect(json.tokens[0]).toMatchObject({ name: 'A known client', client_id: url, resource: 'mcp' })
})

test('a client that asks this machine by another of its names signs in as well', async () => {
  const provider = new Provider()
  expect(await toolsFor(provider, `http://localhost:${cloud.port}/mcp`)).toContain('execute_code')
})
