/**
 * A program with a wallet that buys one thing. Argument: an `Order` as JSON. Prints what it was answered; ends with 75 when
 * it is to be started again, or by a signal where it was told to.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createJack, fileStore, localFetch } from '@jackcloud/sdk/node'
import type { Hex } from 'viem'
import { mayComeBack, requestOf, type Work } from './work.ts'

export interface Order {
  url: string
  rpcUrl: string
  key: Hex
  /** What the wallet remembers. */
  folder: string
  work: Work
  /** When it has signed and not sent, has sent and not heard, or has heard and not remembered. */
  dieAt: 'signed' | 'sent' | 'answered' | null
}

async function run({ url, rpcUrl, key, folder, work, dieAt }: Order): Promise<void> {
  const die = () => process.kill(process.pid, 'SIGKILL')
  const jack = createJack({
    url,
    account: { privateKey: key },
    rpcUrl,
    store: fileStore({ folder }),
    retries: 1,
    fetch: async (input, init) => {
      const pays = new Headers(init.headers).has('authorization') && init.body !== undefined
      if (!pays) return localFetch(input, init)
      if (dieAt === 'signed') die()
      const answering = localFetch(input, init)
      answering.catch(() => {})
      if (dieAt === 'sent') {
        await sleep(Math.random() * 20)
        die()
      }
      const response = await answering
      if (dieAt === 'answered') die()
      return response
    },
  })
  const { body } = requestOf(work)
  const call = { execute: jack.execute, deploy: jack.deploy, fund: jack.addBalance }[work.what]
  try {
    const said = await call(body as never, { idempotencyKey: work.key })
    process.stdout.write(JSON.stringify(said))
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    const again = mayComeBack({ code: String(code), message })
    process.stderr.write(`${code}: ${message}\n${(error as Error).stack}`)
    process.exitCode = again ? 75 : 1
  }
}

const [, program, order] = process.argv
if (program === import.meta.filename) await run(JSON.parse(order as string))
