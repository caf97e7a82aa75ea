import { createClient, custom } from 'viem'
import { expect, test } from 'vitest'
import { backwards, since } from './history.ts'

/** A chain of so many blocks, one each second since 2026, whose node lets one ask for `most` of them. */
function node(head: bigint, most: bigint) {
  const client = createClient({
    transport: custom({
      async request({ method, params }) {
        if (method === 'eth_blockNumber') return `0x${head.toString(16)}`
        const timestamp = GENESIS_MS / 1_000 + Number(params[0])
        return { number: params[0], timestamp: `0x${timestamp.toString(16)}` }
      },
    }),
  })
  const asked: bigint[] = []
  const read = async ({ fromBlock, toBlock }: { fromBlock: bigint; toBlock: bigint }) => {
    asked.push(toBlock - fromBlock + 1n)
    if (toBlock - fromBlock >= most) throw new Error('query exceeds max block range')
    return [{ fromBlock, toBlock, blockNumber: toBlock }]
  }
  return { client, read, asked }
}
const GENESIS_MS = Date.parse('2026-01-01T00:00:00Z')

const expectWhole = (pieces: { fromBlock: bigint; toBlock: bigint }[], head: bigint) => {
  expect(pieces[0]?.fromBlock).toBe(0n)
  expect(pieces.at(-1)?.toBlock).toBe(head)
  for (const [i, { fromBlock }] of pieces.slice(1).entries())
    expect(fromBlock).toBe((pieces[i]?.toBlock ?? 0n) + 1n)
}

test('a long history is read without a gap, in pieces as large as the node allows', async () => {
  const { client, read, asked } = node(1_000_000n, 50_000n)
  expectWhole(await since(client, undefined, read), 1_000_000n)
  // 10, 20 and 40 thousand, then one too many, then 40 thousand each.
  expect(asked.slice(0, 5)).toEqual([10_000n, 20_000n, 40_000n, 80_000n, 40_000n])
  expect(asked.length).toBeLessThan(40)
})

test('a node that allows little gets little questions', async () => {
  const { client, read } = node(5_000n, 700n)
  expectWhole(await since(client, undefined, read), 5_000n)
})

test('a node that does not answer is not asked for ever', async () => {
  const { client, read, asked } = node(5_000n, 0n)
  await expect(since(client, undefined, read)).rejects.toThrow('max block range')
  expect(asked.length).toBeLessThan(10)
})

test('reading ends where it was to end, and the newest comes first', async () => {
  const { client, read } = node(10_000_000n, 10_000_000n)
  const tops: bigint[] = []
  const moment = new Date(GENESIS_MS + 9_980_000 * 1_000)
  for await (const [piece] of backwards(client, moment, read)) tops.push(piece?.toBlock as bigint)
  expect(tops).toEqual([10_000_000n, 9_990_000n])
})

test('nothing older than the moment is told, but for a minute by which clocks may differ', async () => {
  const { client } = node(1_000_000n, 1_000_000n)
  const read = async ({ fromBlock, toBlock }: { fromBlock: bigint; toBlock: bigint }) =>
    Array.from({ length: Number(toBlock - fromBlock) + 1 }, (_, i) => ({
      blockNumber: fromBlock + BigInt(i),
    }))
  const after = async (seconds: number) =>
    (await since(client, new Date(GENESIS_MS + seconds * 1_000), read))[0]?.blockNumber
  expect(await after(995_000)).toBe(994_940n)
  expect(await after(2_000_000)).toBe(undefined)
})
