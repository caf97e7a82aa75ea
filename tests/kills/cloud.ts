import { join } from 'node:path'
import {
  behindTheBack,
  commandLine,
  type Home,
  postmasterFile,
  temporaryHome,
  type Up,
  up,
} from '../harness.ts'
import { processesOf } from '../processes.ts'
import { chainGate, databaseGate, Trap } from './gates.ts'
import { localnet } from './localnet.ts'

export type MortalCloud = Awaited<ReturnType<typeof mortalCloud>>

/** A cloud as `jack up` starts it, that is killed and started again, with gates before its database and its chain. */
export async function mortalCloud(name: string, env: Record<string, string> = {}) {
  const home: Home = temporaryHome(name)
  const data = join(home.path, 'cloud')
  const chain = await localnet(join(home.path, 'chain'))
  const trap = new Trap()
  const chainsGate = await chainGate(chain.rpcUrl, trap)
  let lives = 0
  let slowestStartMs = 0
  let port = '0'
  let cloud: Up
  let dying: Promise<void> | undefined
  let starting = start()
  await starting
  const databasesGate = await databaseGate(postmasterFile(data)[4] as string, trap)
  // What it asked so far went past the gate.
  await kill()
  await starting

  async function start(): Promise<void> {
    const startedAt = performance.now()
    cloud = await up(home, data, {
      env: { ...env, JACK_RPC_URL: chainsGate.url, JACK_REQUESTS_PER_MINUTE: '1000000' },
      port,
    })
    port = new URL(cloud.ready.url).port
    slowestStartMs = Math.max(slowestStartMs, Math.round(performance.now() - startedAt))
    lives++
    dying = undefined
  }

  /** Kills the server, as soon as there is one, and starts it again. */
  function kill(): Promise<void> {
    dying ??= starting.then(() => {
      process.kill(cloud.ready.pid, 'SIGKILL')
      starting = cloud.ended.then(start)
      starting.catch(() => {})
    })
    return dying
  }

  return {
    home,
    data,
    chain,
    trap,
    /** What the server speaks to the chain and to the database through. */
    gates: { chain: chainsGate, database: databasesGate },
    commands: commandLine(home),
    kill,
    killDatabase: () => process.kill(Number(postmasterFile(data)[0]), 'SIGKILL'),
    killChain: () => process.kill(chain.pid, 'SIGKILL'),
    get ready() {
      return cloud.ready
    },
    /** How often it was started. */
    get lives() {
      return lives
    },
    get isDying() {
      return dying !== undefined
    },
    get slowestStartMs() {
      return slowestStartMs
    },
    /** Resolves when it answers, again. */
    async alive(): Promise<void> {
      await dying
      await starting
    },
    /** Ends it in order, and starts it again. */
    async restart(): Promise<void> {
      await starting
      await cloud.stop()
      starting = start()
      await starting
    },
    sql: (query: string) => behindTheBack(data, query),
    async close(): Promise<void> {
      await starting.catch(() => {})
      databasesGate.close()
      await cloud.stop()
      chainsGate.close()
      await chain.stop()
      for (const { pid } of processesOf(home.path)) process.kill(pid, 'SIGKILL')
      if (!process.env.KEEP) await home.remove()
    },
  }
}
