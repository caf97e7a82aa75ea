import type { Client } from 'viem'
import { getBlock, getBlockNumber } from 'viem/actions'

export interface Blocks {
  fromBlock: bigint
  toBlock: bigint
}

/** How many blocks are asked for at first, and at least. Nodes differ in how many they let one ask for. */
const FIRST = 10_000n
const LEAST = 100n

/** The clocks of this machine and of the chain may differ by so much. */
const CLOCKS_MS = 60_000

/**
 * Reads what happened on chain, piece by piece, newest first, back to a moment. Pieces grow for as long as the node
 * answers, and shrink when it does not.
 */
export async function* backwards<T>(
  client: Client,
  since: Date,
  read: (blocks: Blocks) => Promise<T[]>,
): AsyncGenerator<T[]> {
  let toBlock = await getBlockNumber(client, { cacheTime: 0 })
  let size = FIRST
  let isGrowing = true
  while (true) {
    const fromBlock = toBlock >= size ? toBlock - size + 1n : 0n
    let piece: T[]
    try {
      piece = await read({ fromBlock, toBlock })
    } catch (error) {
      if (size <= LEAST) throw error
      size /= 2n
      isGrowing = false
      continue
    }
    yield piece
    if (fromBlock === 0n || (await isBefore(client, fromBlock, since))) return
    toBlock = fromBlock - 1n
    if (isGrowing) size *= 2n
  }
}

async function isBefore(client: Client, blockNumber: bigint, since: Date): Promise<boolean> {
  if (since.getTime() <= 0) return false
  const { timestamp } = await getBlock(client, { blockNumber })
  return Number(timestamp) * 1_000 < since.getTime() - CLOCKS_MS
}

/** Everything since a moment, or since ever, oldest first. */
export async function since<T extends { blockNumber: bigint }>(
  client: Client,
  since: Date | undefined,
  read: (blocks: Blocks) => Promise<T[]>,
): Promise<T[]> {
  const from = since === undefined ? 0n : await firstBlock(client, since)
  const pieces: T[][] = []
  for await (const piece of backwards(client, since ?? new Date(0), read)) pieces.push(piece)
  return pieces
    .reverse()
    .flat()
    .filter((it) => it.blockNumber >= from)
}

/** The first block that was made after a moment; the next one if there is none. */
async function firstBlock(client: Client, since: Date): Promise<bigint> {
  let [first, last] = [0n, (await getBlockNumber(client, { cacheTime: 0 })) + 1n]
  while (first < last) {
    const middle = (first + last) / 2n
    if (await isBefore(client, middle, since)) first = middle + 1n
    else last = middle
  }
  return first
}
