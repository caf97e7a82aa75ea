import { createClient, custom, http } from 'viem'
import { tempoLocalnet } from 'viem/chains'
import { expect, test } from 'vitest'
import type { Hex, Session } from '../../Session.ts'
import { balanceOf, clientOf, newWallet, testChain } from '../localnet/testing.ts'
import { channelsOf } from './channels.ts'
import { newPayee, openChannel, type TestChannel, type TestPayee } from './testing.ts'

const chain = testChain()

/** What the database would know of a channel whose payer signed for so much. */
const sessionOf = async (channel: TestChannel, authorizedMicroUsd: bigint) =>
  ({
    ...channel,
    authorizedMicroUsd,
    signature: await channel.sign(authorizedMicroUsd),
  }) as unknown as Session

/** The same payee behind a node that loses its answers to transactions. */
function loseAnswers({ chain, payee, operator }: TestPayee) {
  const { request } = http(chain.rpcUrl)({})
  const sent: Hex[] = []
  const client = createClient({
    account: operator,
    chain: { ...tempoLocalnet, id: chain.chainId },
    pollingInterval: 20,
    transport: custom(
      {
        async request(it) {
          const answer = await request(it)
          if (!it.method.startsWith('eth_sendRawTransaction')) return answer
          sent.push(answer as Hex)
          throw new Error('socket hang up')
        },
      },
      { retryCount: 0 },
    ),
  })
  const { token } = chain
  const escrow = '0x4d50500000000000000000000000000000000000'
  return { sent, ...channelsOf({ client, token, payee: payee.address, escrow, operator }) }
}

test('a channel is closed for exactly what is captured, and the rest is back with the payer', async () => {
  const net = await chain()
  const us = await newPayee(net)
  const channel = await openChannel(us, 5_000_000n)
  const before = await balanceOf(net, channel.payer)
  expect(await us.payments.channels([channel.channelId])).toEqual([
    { depositMicroUsd: 5_000_000n, settledMicroUsd: 0n, closeRequestedAt: null },
  ])
  const session = await sessionOf(channel, 2_000_000n)
  expect(await us.payments.closing(session)).toBe(null)

  const closed = await us.payments.close(session, 1_234_567n)
  expect(closed).toEqual({
    txHash: expect.stringMatching(/^0x[0-9a-f]{64}$/),
    capturedMicroUsd: 1_234_567n,
    refundedMicroUsd: 3_765_433n,
    by: 'us',
  })
  expect(await balanceOf(net, us.payee.address)).toBe(1_234_567n)
  expect((await balanceOf(net, channel.payer)) - before).toBe(3_765_433n)
  expect(await us.payments.channels([channel.channelId])).toEqual([
    { depositMicroUsd: 0n, settledMicroUsd: 0n, closeRequestedAt: null },
  ])
  expect(await us.payments.closing(session)).toEqual(closed)
})

test('nothing is captured of a channel that nobody used', async () => {
  const us = await newPayee(await chain())
  const channel = await openChannel(us, 1_000_000n)
  const session = { ...channel, authorizedMicroUsd: 0n, signature: '0x' } as unknown as Session
  expect(await us.payments.close(session, 0n)).toMatchObject({
    capturedMicroUsd: 0n,
    refundedMicroUsd: 1_000_000n,
  })
})

test('what was settled counts as captured, and a settlement that is there is not made again', async () => {
  const net = await chain()
  const us = await newPayee(net)
  const channel = await openChannel(us, 1_000_000n)
  const session = await sessionOf(channel, 700_000n)
  const voucher = { cumulativeMicroUsd: 300_000n, signature: await channel.sign(300_000n) }
  const settled = await us.payments.settle(session, voucher)
  expect(await balanceOf(net, us.payee.address)).toBe(300_000n)
  expect(await us.payments.settle(session, voucher)).toBe(settled)
  expect(await us.payments.close(session, 500_000n)).toMatchObject({
    capturedMicroUsd: 500_000n,
    refundedMicroUsd: 500_000n,
  })
  expect(await balanceOf(net, us.payee.address)).toBe(500_000n)
})

test('a database that is older than a settlement still closes the channel, without what was settled', async () => {
  const us = await newPayee(await chain())
  const channel = await openChannel(us, 1_000_000n)
  await us.payments.settle(await sessionOf(channel, 400_000n), {
    cumulativeMicroUsd: 300_000n,
    signature: await channel.sign(300_000n),
  })
  const restored = await sessionOf(channel, 100_000n)
  expect(await us.payments.close(restored, 50_000n)).toMatchObject({
    capturedMicroUsd: 300_000n,
    refundedMicroUsd: 700_000n,
  })
})

test('an answer that got lost is found on chain', async () => {
  const net = await chain()
  const us = await newPayee(net)
  const lossy = loseAnswers(us)
  const channel = await openChannel(us, 1_000_000n)
  const session = await sessionOf(channel, 500_000n)
  const voucher = { cumulativeMicroUsd: 200_000n, signature: await channel.sign(200_000n) }
  expect(await lossy.settle(session, voucher)).toBe(lossy.sent[0])
  expect(await lossy.close(session, 400_000n)).toEqual({
    txHash: lossy.sent[1],
    capturedMicroUsd: 400_000n,
    refundedMicroUsd: 600_000n,
    by: 'us',
  })
  expect(lossy.sent).toHaveLength(2)
  expect(await balanceOf(net, us.payee.address)).toBe(400_000n)
})

test('many who close one channel at once, from several processes too, get the same answer', async () => {
  const net = await chain()
  const us = await newPayee(net)
  const other = channelsOf({
    ...us.payments.chain,
    client: clientOf(net, us.operator),
    operator: us.operator,
  })
  const session = await sessionOf(await openChannel(us, 1_000_000n), 500_000n)
  const answers = await Promise.all(
    [us.payments, other, us.payments, other].map((it) => it.close(session, 123n)),
  )
  expect(new Set(answers.map((it) => it.txHash)).size).toBe(1)
  expect(await balanceOf(net, us.payee.address)).toBe(123n)
})

test('more than was signed for is never captured, and the channel stays', async () => {
  const us = await newPayee(await chain())
  const channel = await openChannel(us, 1_000_000n)
  const session = await sessionOf(channel, 500_000n)
  await expect(us.payments.close(session, 500_001n)).rejects.toThrow()
  const forged = { ...session, authorizedMicroUsd: 1_000_000n }
  await expect(us.payments.close(forged, 600_000n)).rejects.toThrow()
  await expect(
    us.payments.settle(session, { ...session, cumulativeMicroUsd: 600_000n }),
  ).rejects.toThrow()
  expect(await us.payments.channels([channel.channelId])).toMatchObject([
    { depositMicroUsd: 1_000_000n },
  ])
})

test('a payer who takes his money back is told apart', async () => {
  const us = await newPayee(await chain())
  const channel = await openChannel(us, 1_000_000n)
  const session = await sessionOf(channel, 500_000n)
  await us.payments.settle(session, {
    cumulativeMicroUsd: 100_000n,
    signature: await channel.sign(100_000n),
  })
  await channel.requestClose()
  const [asked] = await us.payments.channels([channel.channelId])
  expect(Math.abs(Date.now() - (asked?.closeRequestedAt?.getTime() ?? 0))).toBeLessThan(60_000)
  await channel.withdraw()
  const ended = { capturedMicroUsd: 100_000n, refundedMicroUsd: 900_000n, by: 'payer' }
  expect(await us.payments.closing(session)).toMatchObject(ended)
  expect(await us.payments.close(session, 500_000n)).toMatchObject(ended)
})

test('states come in the order of the channels, however many they are', async () => {
  const us = await newPayee(await chain())
  const channel = await openChannel(us, 1_000_000n)
  const unknown = Array.from({ length: 250 }, (_, i): Hex => `0x${String(i).padStart(64, '0')}`)
  const states = await us.payments.channels([...unknown, channel.channelId])
  expect(states.map((it) => it.depositMicroUsd)).toEqual([...unknown.map(() => 0n), 1_000_000n])
})

test('the books know each channel that was opened to us, and each amount that came, whence ever', async () => {
  const net = await chain()
  const us = await newPayee(net)
  const other = await newPayee(net)
  const [a, b, theirs] = [
    await openChannel(us, 1_000_000n),
    await openChannel(us, 2_000_000n),
    await openChannel(other, 9_000_000n),
  ]
  const settled = await us.payments.settle(await sessionOf(b, 800_000n), {
    cumulativeMicroUsd: 300_000n,
    signature: await b.sign(300_000n),
  })
  await net.faucet(us.payee.address, 70_000n)
  const closed = await us.payments.close(await sessionOf(b, 800_000n), 800_000n)
  await us.payments.close(await sessionOf(a, 0n), 0n)
  await other.payments.close(await sessionOf(theirs, 1n), 1n)

  expect(await us.payments.openedChannels()).toEqual(
    [a, b].map((it) => ({
      channelId: it.channelId,
      payer: it.payer,
      depositMicroUsd: it.depositMicroUsd,
      txHash: it.openTx,
    })),
  )
  const escrow = us.payments.chain.escrow
  expect(await us.payments.income()).toEqual([
    { txHash: settled, amountMicroUsd: 300_000n, from: escrow, channelId: b.channelId },
    {
      txHash: expect.anything(),
      amountMicroUsd: 70_000n,
      from: expect.anything(),
      channelId: null,
    },
    { txHash: closed.txHash, amountMicroUsd: 500_000n, from: escrow, channelId: b.channelId },
  ])
})

test('an operator without gas money is helped out by whoever pays fees', async () => {
  const net = await chain()
  const poor = await newWallet(net, 0n)
  const feePayer = await newWallet(net, 10_000_000n)
  const us = { ...(await newPayee(net)), operator: poor }
  const channel = await openChannel(us, 1_000_000n)
  const session = await sessionOf(channel, 500_000n)
  const access = { ...us.payments.chain, client: clientOf(net, poor), operator: poor }
  await expect(channelsOf(access).close(session, 500_000n)).rejects.toThrow()
  expect(await channelsOf({ ...access, feePayer }).close(session, 500_000n)).toMatchObject({
    capturedMicroUsd: 500_000n,
    by: 'us',
  })
  expect(await balanceOf(net, feePayer.address)).toBeLessThan(10_000_000n)
})
