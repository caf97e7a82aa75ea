import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createJack, type Jack } from '@jackcloud/sdk/node'
import { Pool } from 'undici'
import { end, firstLine, newFolder, start } from './processes.ts'

/** A whole Jack Cloud, in a process of its own as users run it. */
export interface Cloud {
  /** Of the API, with an address: "http://127.0.0.1:40123". */
  url: string
  token: string
  sandbox: string
  /** Of the local chain, where there is one (`JACK_CHAIN: 'local'`). */
  rpcUrl: string
  jack: Jack
  /** `POST /execute` as the SDK sends it, over one connection for each caller. */
  execute(request: object): Promise<Executed>
  /** A request on a live URL. Names under `.localhost` do not resolve everywhere, so: loopback, and the Host header. */
  visit(liveUrl: string, path?: string): Promise<{ status: number; text: string }>
  /** What it last complained about, for when something breaks. */
  complaints(): string
  stop(): Promise<void>
}

export interface Executed {
  status: number
  /** The answer's JSON, or the problem's. */
  answer: { result?: unknown; code?: string; cpu_ms?: number; duration_ms?: number }
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Starts a cloud with its own data and the defaults of an operator, except that nobody is turned away. */
export async function startCloud(settings: Record<string, string> = {}): Promise<Cloud> {
  const data = join(newFolder(), 'data')
  const main = `${root}packages/api/src/main.ts`
  const child = start(process.execPath, ['--conditions=jack:src', main], {
    // It ends when its stdin does, so it never outlives us. Its log is read and dropped, as by a log collector.
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      TMPDIR: process.env.TMPDIR,
      DATABASE_URL: process.env.BENCH_DATABASE_URL,
      JACK_MODE: 'local',
      JACK_CHAIN: 'none',
      JACK_PORT: '0',
      JACK_DATA: data,
      JACK_READY_FD: '3',
      JACK_REQUESTS_PER_MINUTE: '10000000',
      JACK_LOCAL_CREDIT_USD: '1000000',
      ...settings,
    },
  })
  const said: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      said.push(String(chunk))
      if (said.length > 50) said.shift()
    })
  }
  const ready = await firstLine(child, 3).catch((error: Error) => {
    throw new Error(`The cloud did not start: ${error.message}\n${said.join('')}`)
  })
  const { url, token, sandbox, chain } = JSON.parse(ready) as Record<
    'url' | 'token' | 'sandbox',
    string
  > & { chain?: { rpc_url: string } }
  const pool = new Pool(url, { connections: 64, keepAliveTimeout: 60_000 })
  return {
    url,
    token,
    sandbox,
    rpcUrl: chain?.rpc_url ?? '',
    jack: createJack({ url, token }),
    async execute(request) {
      const { statusCode, body } = await pool.request({
        method: 'POST',
        path: '/execute',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'idempotency-key': crypto.randomUUID(),
        },
        body: JSON.stringify(request),
      })
      return { status: statusCode, answer: (await body.json()) as Executed['answer'] }
    },
    async visit(liveUrl, path = '/') {
      const { statusCode, body } = await pool.request({
        method: 'GET',
        path,
        headers: { host: new URL(liveUrl).host },
      })
      return { status: statusCode, text: await body.text() }
    },
    complaints: () =>
      said
        .join('')
        .split('\n')
        .filter((line) => !/"level":[1-3]0/.test(line))
        .slice(-5)
        .join('\n'),
    async stop() {
      await pool.destroy()
      await end(child)
    },
  }
}

/** Starts a cloud, hands it over, and stops it whatever happens. */
export async function withCloud<T>(
  settings: Record<string, string>,
  use: (cloud: Cloud) => Promise<T>,
): Promise<T> {
  const cloud = await startCloud(settings)
  try {
    return await use(cloud)
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${cloud.complaints()}`, { cause: error })
  } finally {
    await cloud.stop()
  }
}
