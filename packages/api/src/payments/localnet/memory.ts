import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { type Hex, isHex, toHex } from 'viem'
import { JackError } from '../../Errors.ts'

/** Where a chain is kept while it does not run: a checkpoint, and the transactions since. */
export interface Memory {
  /** Undefined when there never was a chain. Throws `unavailable` when what was kept is damaged. */
  load(): Promise<Kept | undefined>
  /** Writes everything anew, as the chain dumps it. */
  checkpoint(dump: Dump): Promise<void>
  /** Resolves when the transaction is on disk. */
  keep(sent: Sent, dump: Dump): Promise<void>
  close(): Promise<void>
}

export interface Kept {
  checkpoint: Hex
  sent: Sent[]
}

/** A signed transaction, and the chain's time when it was mined, in seconds. */
export interface Sent {
  raw: Hex
  at: number
  /** It was not mined at once: it came before another one that it has to follow. */
  waits?: boolean
}

type Dump = () => Promise<Hex>

/** Of a chain that is gone with its process. */
export const noMemory: Memory = {
  load: async () => undefined,
  checkpoint: async () => {},
  keep: async () => {},
  close: async () => {},
}

/** Keeps a chain in a folder, which is whole at any moment. One process at a time may use it. */
export async function openMemory(folder: string, chainId: number): Promise<Memory> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  return new Files(folder, chainId)
}

/** Each checkpoint starts a generation; the journal of the same number has what came after it. */
class Files implements Memory {
  readonly #folder: string
  readonly #chainId: number
  #generation = 0
  /** Undefined when the next transaction needs a checkpoint. */
  #journal: FileHandle | undefined
  #entries = 0

  constructor(folder: string, chainId: number) {
    this.#folder = folder
    this.#chainId = chainId
  }

  async load(): Promise<Kept | undefined> {
    const names = await this.#names()
    this.#generation = Math.max(0, ...names.map((name) => Number(name.split('.')[1])))
    if (this.#generation === 0) return undefined
    return {
      checkpoint: await readCheckpoint(this.#path(CHECKPOINT)),
      sent: await readJournal(this.#path(JOURNAL)),
    }
  }

  async checkpoint(dump: Dump): Promise<void> {
    await this.close()
    this.#generation++
    await write(this.#path(CHECKPOINT), Buffer.from((await dump()).slice(2), 'hex'))
    await syncFolder(this.#folder)
    this.#journal = await open(this.#path(JOURNAL), 'a', 0o600)
    this.#entries = 0
    await syncFolder(this.#folder)
    await this.#removeOlder()
  }

  async keep(sent: Sent, dump: Dump): Promise<void> {
    if (this.#journal && this.#entries++ < LONGEST_JOURNAL && (await append(this.#journal, sent)))
      return
    await this.checkpoint(dump)
  }

  async close(): Promise<void> {
    await this.#journal?.close()
    this.#journal = undefined
  }

  async #removeOlder(): Promise<void> {
    const current = [this.#path(CHECKPOINT), this.#path(JOURNAL)]
    for (const name of await this.#names()) {
      const path = join(this.#folder, name)
      if (!current.includes(path)) await rm(path, { force: true })
    }
  }

  async #names(): Promise<string[]> {
    const names = await readdir(this.#folder)
    return names.filter((name) => name.startsWith(`chain-${this.#chainId}.`))
  }

  #path(kind: string): string {
    return join(this.#folder, `chain-${this.#chainId}.${this.#generation}.${kind}`)
  }
}

const CHECKPOINT = 'json.gz'
const JOURNAL = 'journal'
/** Doing one again takes about 7 ms, so a start after a crash at most a second more. */
const LONGEST_JOURNAL = 100
/** With which a chain starts, since it has all that there ever were when it ends: 5 KB each with what is in it. */
const MOST_BLOCKS = 1_000

interface State {
  accounts: object
  blocks: { header: { number: Hex } }[]
  transactions: { block_number: number }[]
}

async function readCheckpoint(path: string): Promise<Hex> {
  try {
    const bytes = await readFile(path)
    // Has a checksum, which is verified here.
    const state: State = JSON.parse((await promisify(gunzip)(bytes)).toString('utf8'))
    if (typeof state.accounts !== 'object') throw new Error('it has no accounts')
    if (state.blocks.length <= MOST_BLOCKS) return toHex(bytes)
    return toHex(await promisify(gzip)(JSON.stringify(withoutOldBlocks(state))))
  } catch (cause) {
    throw damaged(path, cause)
  }
}

function withoutOldBlocks(state: State): State {
  const numberOf = (block: State['blocks'][number]) => Number(block.header.number)
  const last = state.blocks.reduce((most, block) => Math.max(most, numberOf(block)), 0)
  const first = last - MOST_BLOCKS + 1
  return {
    ...state,
    blocks: state.blocks.filter((block) => numberOf(block) >= first),
    transactions: state.transactions.filter((it) => it.block_number >= first),
  }
}

async function readJournal(path: string): Promise<Sent[]> {
  const text = await readFile(path, 'utf8').catch((error) => {
    if (error.code !== 'ENOENT') throw error
    return ''
  })
  // What follows the last end of a line was cut off while it was written, and nobody was told that it happened.
  const lines = text.split('\n').slice(0, -1)
  return lines.map((line, i) => {
    try {
      const sent: Sent = JSON.parse(line)
      const isSent = isHex(sent.raw) && Number.isInteger(sent.at)
      if (!isSent) throw new Error('it is not a transaction')
      return sent
    } catch (cause) {
      throw damaged(`${path}, line ${i + 1}`, cause)
    }
  })
}

/** What was kept cannot be used, so that going on would lose it. */
export const damaged = (where: string, cause: unknown) =>
  new JackError(
    'unavailable',
    `What the local chain keeps is damaged (${where}): ${(cause as Error).message}`,
    {
      hint:
        'Put back a copy of its folder, or move the folder away: then a new chain starts, ' +
        'on which nobody has a balance or a channel.',
      cause,
    },
  )

/** Whether it is on disk. */
async function append(journal: FileHandle, sent: Sent): Promise<boolean> {
  try {
    await journal.appendFile(`${JSON.stringify(sent)}\n`)
    await journal.datasync()
    return true
  } catch {
    return false
  }
}

async function write(path: string, content: Buffer): Promise<void> {
  const draft = join(dirname(path), 'draft')
  const file = await open(draft, 'w', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  await folder.sync().finally(() => folder.close())
}
