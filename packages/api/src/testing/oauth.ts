import { createHash, randomBytes } from 'node:crypto'
import { request } from 'undici'
import * as signIns from '../store/signIns.ts'
import { Browser, type Seen } from './browser.ts'
import type { Reply, TestCloud } from './cloud.ts'

/** A client of OAuth, as its author writes it down: what it sends can be said for each request. */
export class Program {
  readonly verifier = randomBytes(32).toString('base64url')
  readonly state = randomBytes(8).toString('base64url')
  readonly cloud: TestCloud
  readonly clientId: string
  readonly redirectUri: string

  constructor(cloud: TestCloud, clientId: string, redirectUri = 'http://127.0.0.1:4711/callback') {
    this.cloud = cloud
    this.clientId = clientId
    this.redirectUri = redirectUri
  }

  static async register(
    cloud: TestCloud,
    redirectUri = 'http://127.0.0.1:4711/callback',
    name = 'Test program',
  ): Promise<Program> {
    const { json } = await register(cloud, { client_name: name, redirect_uris: [redirectUri] })
    return new Program(cloud, json.client_id, redirectUri)
  }

  get challenge(): string {
    return createHash('sha256').update(this.verifier).digest('base64url')
  }

  /** The path that it opens in a browser. Parameters that are null are left out. */
  path(changes: Record<string, string | null> = {}): string {
    return `/oauth/authorize?${parameters({
      response_type: 'code',
      client_id: this.clientId,
      redirect_uri: this.redirectUri,
      state: this.state,
      code_challenge: this.challenge,
      code_challenge_method: 'S256',
      resource: `${this.cloud.url}/mcp`,
      ...changes,
    })}`
  }

  /** What it is sent back with, when the person agrees. */
  async allowed(
    browser: Browser,
    changes: Record<string, string | null> = {},
    answer: Answer = {},
  ): Promise<URLSearchParams> {
    const seen = await decide(browser, await browser.get(this.path(changes)), answer)
    return new URL(seen.location ?? 'none:').searchParams
  }

  async code(
    browser: Browser,
    changes: Record<string, string | null> = {},
    answer: Answer = {},
  ): Promise<string> {
    return (await this.allowed(browser, changes, answer)).get('code') ?? ''
  }

  redeem(code: string, changes: Record<string, string | null> = {}): Promise<Reply> {
    return token(this.cloud, {
      grant_type: 'authorization_code',
      client_id: this.clientId,
      code,
      code_verifier: this.verifier,
      redirect_uri: this.redirectUri,
      ...changes,
    })
  }

  refresh(refreshToken: string, changes: Record<string, string | null> = {}): Promise<Reply> {
    return token(this.cloud, {
      grant_type: 'refresh_token',
      client_id: this.clientId,
      refresh_token: refreshToken,
      ...changes,
    })
  }
}

/** What a person says on the consent page. */
export interface Answer {
  decision?: 'allow' | 'deny'
  scopes?: readonly string[]
  cap?: string
  project?: string
}

/** Sends the form of a consent page, as a person leaves or changes it. */
export function decide(browser: Browser, page: Seen, answer: Answer = {}): Promise<Seen> {
  const offered = [...page.text.matchAll(/name="scope" value="(\w+)"/g)].map(([, scope]) => scope)
  const fields: [string, string][] = [
    ['csrf', page.field('csrf')],
    ...['request', 'user_code']
      .map((name): [string, string] => [name, page.field(name)])
      .filter(([, value]) => value !== ''),
    ...(answer.scopes ?? offered).map((it): [string, string] => ['scope', String(it)]),
    ['daily_cap_usd', answer.cap ?? '5'],
    ['project', answer.project ?? ''],
    ['decision', answer.decision ?? 'allow'],
  ]
  return browser.post(page.field('user_code') ? '/device' : '/oauth/authorize', fields)
}

/** A browser in which an account is signed in; that of the local cloud, if no other is said. */
export async function signedInBrowser(cloud: TestCloud, accountId?: string): Promise<Browser> {
  const browser = new Browser(cloud.url)
  const secret = randomBytes(32).toString('base64url')
  const id = accountId ?? (await cloud.api('GET', '/v1/me')).json.account_id
  await signIns.add(cloud.jack.db, secret, id, new Date())
  browser.cookies.set('jack', secret)
  return browser
}

export const token = (cloud: TestCloud, fields: Record<string, string | null>): Promise<Reply> =>
  form(cloud, '/oauth/token', fields)

/** Posts a form as a program does: no cookie, no Origin. */
export async function form(
  cloud: TestCloud,
  path: string,
  fields: Record<string, string | null>,
): Promise<Reply> {
  const answer = await request(`${cloud.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: parameters(fields).toString(),
  })
  const text = await answer.body.text()
  return {
    status: answer.statusCode,
    headers: answer.headers,
    text,
    json: text.startsWith('{') ? JSON.parse(text) : undefined,
  }
}

export const register = (cloud: TestCloud, metadata: unknown): Promise<Reply> =>
  cloud.api('POST', '/oauth/register', metadata)

const parameters = (fields: Record<string, string | null>): URLSearchParams =>
  new URLSearchParams(Object.entries(fields).filter((it): it is [string, string] => it[1] !== null))
