import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { discover } from './AuthorizationServer.ts'
import { byBrowser } from './byBrowser.ts'

/** A cloud as far as signing in goes; `lies` are what it says about itself. */
let server: Server
let url: string
let lies: Record<string, unknown> = {}
let redeemed: URLSearchParams[] = []
beforeAll(async () => {
  server = createServer(async (req, res) => {
    const answer = (value: unknown) => res.end(JSON.stringify(value))
    if (req.url === '/.well-known/oauth-protected-resource')
      return answer({ resource: url, authorization_servers: [url], ...lies })
    if (req.url === '/.well-known/oauth-authorization-server')
      return answer({
        issuer: url,
        authorization_endpoint: `${url}/oauth/authorize`,
        token_endpoint: `${url}/oauth/token`,
        revocation_endpoint: `${url}/oauth/revoke`,
        device_authorization_endpoint: `${url}/oauth/device_authorization`,
        ...lies,
      })
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    redeemed.push(new URLSearchParams(Buffer.concat(chunks).toString()))
    answer({ access_token: 'jkt_good' })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server.close())
beforeEach(() => {
  lies = {}
  redeemed = []
})

const { signal } = new AbortController()

/** Signs in with a browser that does what `visit` says with the address that it is given. */
async function signIn(visit: (asked: URLSearchParams) => Promise<void>): Promise<string> {
  const at = await discover(url, signal)
  return byBrowser(at, (address) => void visit(new URL(address).searchParams), signal)
}

const back = (asked: URLSearchParams, changes: Record<string, string> = {}) =>
  fetch(
    `${asked.get('redirect_uri')}?${new URLSearchParams({
      code: 'jkc_1',
      state: asked.get('state') ?? '',
      iss: url,
      ...changes,
    })}`,
  )

test('the browser comes back with a code, which is changed for a token with the proof', async () => {
  let page = ''
  let challenge: string | null = null
  const token = await signIn(async (asked) => {
    challenge = asked.get('code_challenge')
    expect(asked.get('redirect_uri')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/)
    page = await (await back(asked)).text()
  })
  expect(token).toBe('jkt_good')
  const [form] = redeemed
  expect(form?.get('code')).toBe('jkc_1')
  const verifier = form?.get('code_verifier') ?? ''
  expect(createHash('sha256').update(verifier).digest('base64url')).toBe(challenge)
  await expect.poll(() => page).toContain('You can close this page')
})

test('login CSRF and mix-up: an answer that was not asked for here, or comes from another cloud, is not taken', async () => {
  const statuses: number[] = []
  const token = await signIn(async (asked) => {
    for (const changes of [{ state: 'guess' }, { state: '' }, { iss: 'https://evil.example' }])
      statuses.push((await back(asked, { code: 'jkc_evil', ...changes })).status)
    statuses.push((await fetch(new URL('/other', asked.get('redirect_uri') ?? ''))).status)
    await back(asked)
  })
  expect(token).toBe('jkt_good')
  expect(statuses).toEqual([400, 400, 400, 404])
  expect(redeemed.map((it) => it.get('code'))).toEqual(['jkc_1'])
})

test('a no is told, also one that comes with a code', async () => {
  for (const code of ['', 'jkc_1']) {
    const denied = signIn(async (asked) => {
      await back(asked, { error: 'access_denied', code })
    })
    await expect(denied).rejects.toMatchObject({ code: 'forbidden' })
  }
  expect(redeemed).toEqual([])
})

test('who gives up leaves nothing that listens', async () => {
  const ctrlC = new AbortController()
  let redirect = ''
  const signing = byBrowser(
    await discover(url, signal),
    (address) => {
      redirect = new URL(address).searchParams.get('redirect_uri') ?? ''
      ctrlC.abort(new DOMException('Interrupted.', 'AbortError'))
    },
    ctrlC.signal,
  )
  await expect(signing).rejects.toThrow('Interrupted.')
  await expect(fetch(redirect)).rejects.toThrow()
})

test('a cloud that sends elsewhere to sign in is not followed', async () => {
  for (const it of [
    { authorization_servers: ['https://evil.example'] },
    { authorization_servers: [] },
    { resource: 'https://other.example' },
    { issuer: 'https://evil.example' },
    { authorization_endpoint: 'https://evil.example/oauth/authorize' },
    { authorization_endpoint: 'file:///etc/passwd' },
    { token_endpoint: `${url}.evil.example/oauth/token` },
    { revocation_endpoint: undefined },
  ]) {
    lies = it
    await expect(discover(url, signal)).rejects.toMatchObject({ code: 'bad_answer' })
  }
})
