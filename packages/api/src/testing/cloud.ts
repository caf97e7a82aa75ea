import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Logger, pino } from 'pino'
import { Agent, FormData, request } from 'undici'
import { readConfig } from '../Config.ts'
import { type Cloud, startCloud } from '../start.ts'
import type { Connection } from '../store/database.ts'
import { testDatabase } from '../store/testing/database.ts'

// biome-ignore lint/suspicious/noExplicitAny: answers are asserted on, not relied on
export interface Reply<T = any> {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  json: T
}

export interface TestCloud extends Cloud {
  token: string
  /** To its database. */
  connection: Connection
  /** Calls the API. `body` is sent as JSON, or as it is when it is a FormData. */
  api(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Reply>
  /** Asks a live URL: connects to loopback and names the host, since not every resolver knows `*.localhost`. */
  live(
    url: string,
    options?: { method?: string; headers?: Record<string, string>; body?: string },
  ): Promise<Reply>
  /** What the account can spend, in USD. */
  balance(): Promise<number>
}

/** A whole cloud on a free port: real workerd, real Postgres, a data directory of its own. */
export async function testCloud(
  env: Record<string, string> = {},
  log: Logger = pino({ level: process.env.JACK_LOG_LEVEL ?? 'silent' }),
): Promise<TestCloud> {
  const database = await testDatabase()
  const dataDir = await mkdtemp(join(tmpdir(), 'jack-cloud-'))
  const variables = {
    JACK_MODE: 'local',
    JACK_PORT: '0',
    JACK_DATA: dataDir,
    JACK_POOL_SIZE: '2',
    JACK_REQUESTS_PER_MINUTE: '100000',
    JACK_CHAIN: 'none',
    ...env,
  }
  const config = readConfig(variables, (path) => readFileSync(path, 'utf8'))
  const cloud = await startCloud(config, log, database.connection)
  const agent = new Agent({ connections: 256 })
  const { port } = cloud

  const read = async (
    url: string,
    options: { method: string; headers: Record<string, string>; body?: string | FormData },
  ): Promise<Reply> => {
    const it = await request(url, {
      ...options,
      method: options.method as 'GET',
      dispatcher: agent,
    })
    const text = await it.body.text()
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {}
    return { status: it.statusCode, headers: it.headers, text, json }
  }

  const api: TestCloud['api'] = (method, path, body, headers = {}) =>
    read(`${cloud.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${cloud.token}`,
        ...(body !== undefined &&
          !(body instanceof FormData) && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: body instanceof FormData ? body : JSON.stringify(body) }),
    })

  return {
    ...cloud,
    token: cloud.token as string,
    connection: database.connection,
    api,
    live(url, { method = 'GET', headers = {}, body } = {}) {
      const { host, pathname, search } = new URL(url)
      return read(`http://127.0.0.1:${port}${pathname}${search}`, {
        method,
        headers: { host, ...headers },
        ...(body !== undefined && { body }),
      })
    },
    async balance() {
      const { json } = await api('GET', '/v1/balance')
      return Number(json.balance_usd)
    },
    async close(graceMs) {
      await agent.close()
      await cloud.close(graceMs)
      await database.drop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
