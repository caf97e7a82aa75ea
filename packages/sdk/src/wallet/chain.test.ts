import { privateKeyToAccount } from 'viem/accounts'
import { expect, test } from 'vitest'
import { fakeServer, type Reply } from '../fakeServer.test.support.ts'
import { createChain } from './chain.ts'
import type { Offer } from './Offer.ts'

const account = privateKeyToAccount(`0x${'1'.repeat(64)}`)
const offer = { chainId: 1337, token: `0x20c0${'0'.repeat(36)}` } as Offer

/** How a wallet fails to see what it has, at a node that answers so. */
async function failureAt(reply: (id: number) => Reply): Promise<unknown> {
  await using node = await fakeServer(({ body }) => reply(JSON.parse(body).id))
  const chain = createChain(account, { rpcUrl: node.url })
  return await chain.assertFunds(offer, 1n).catch((error) => error)
}

const failure = (code: number, message: string) => (id: number) => ({
  body: { jsonrpc: '2.0', id, error: { code, message } },
})

test.concurrent.each([
  ['hangs up', () => ({ hangUp: true }), 'failed'],
  ['has nobody behind it', () => ({ status: 502, body: 'Bad gateway' }), 'Bad gateway'],
  ['fails', failure(-32603, 'The disk is on fire.'), 'The disk is on fire.'],
  ['is asked too often', failure(-32005, 'One moment.'), 'One moment.'],
])('a node that %s may answer later', async (_, reply, words) => {
  expect(await failureAt(reply)).toMatchObject({
    code: 'network',
    message: expect.stringContaining(words),
  })
})

test.concurrent.each([
  ['refuses', failure(3, 'execution reverted: Paused'), 'execution reverted: Paused'],
  [
    'knows nobody without a key',
    () => ({ status: 401, body: { error: 'Who are you?' } }),
    'Who are you?',
  ],
])('a node that %s would do so again', async (_, reply, words) => {
  expect(await failureAt(reply)).toMatchObject({
    code: 'payment_required',
    message: expect.stringContaining(words),
  })
})
