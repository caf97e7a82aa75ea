import { randomUUID } from 'node:crypto'
import { type BigIntStats, existsSync, statSync } from 'node:fs'
import { link, mkdir, open, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { sleep } from '../fetch.ts'
import { JackError } from '../JackError.ts'
import type { Changed, WalletStore } from './WalletStore.ts'

export interface FileStoreOptions {
  /** Where the folders of wallets are. Default: `$XDG_STATE_HOME/jack/channels`. */
  folder?: string | undefined
  /** Told when a file was damaged and set aside. Default: a warning of the process. */
  onDamage?: ((sentence: string) => void) | undefined
}

/**
 * Keeps wallets on disk, for all programs of this person together: a database of one row a wallet, in a folder that
 * nobody else can read. There is no key in it. Its lock is the kernel's, so that it ends with whoever held it, also by
 * `kill -9`. A file that is damaged is set aside, and its text is handed out as ''.
 */
export function fileStore(options: FileStoreOptions = {}): WalletStore {
  const root = options.folder ?? stateFolder()
  const onDamage = options.onDamage ?? ((sentence) => process.emitWarning(sentence))
  const files = new Map<string, Promise<WalletFile>>()

  async function fileOf(wallet: string): Promise<WalletFile> {
    const opening = files.get(wallet)
    const file = await opening?.catch(() => undefined)
    if (file && isInPlace(file)) return file
    if (files.get(wallet) === opening) {
      file?.database.close()
      files.set(
        wallet,
        openFile(join(root, wallet), (aside) =>
          onDamage(
            `What the wallet ${wallet} remembered is damaged. It was set aside as ${aside}.`,
          ),
        ),
      )
    }
    return files.get(wallet) as Promise<WalletFile>
  }

  async function update<T>(wallet: string, change: (text: string | undefined) => Changed<T>) {
    const until = Date.now() + longestWaitMs
    for (;;) {
      const file = await fileOf(wallet)
      try {
        return alone(file.database, change)
      } catch (error) {
        if (Date.now() > until || !(isDamage(error) || isBusy(error))) throw error
        // What is damaged is set aside when it is opened again.
        if (isDamage(error)) file.inode = -1n
        await sleep(1 + Math.random() * 5)
      }
    }
  }

  return {
    async update(wallet, change) {
      if (!/^[\w-]+$/.test(wallet)) throw new RangeError(`not a name of a wallet: ${wallet}`)
      try {
        return await update(wallet, change)
      } catch (error) {
        if (codeOf(error) === undefined && !(error as NodeJS.ErrnoException).syscall) throw error
        const { message } = error as Error
        throw new JackError('unavailable', `What the wallet remembers can't be kept: ${message}`, {
          hint: `Nothing was paid. Look at ${join(root, wallet)} and the disk that it is on.`,
          cause: error,
        })
      }
    },
  }
}

/** How long others may hold a file, in milliseconds; each does so for less than one. */
const longestWaitMs = 10_000

interface WalletFile {
  path: string
  inode: bigint
  database: DatabaseSync
}

/** Runs in one transaction, and in one go: nothing else of this process comes between. */
function alone<T>(database: DatabaseSync, change: (text: string | undefined) => Changed<T>): T {
  database.exec('begin immediate')
  try {
    const row = database.prepare('select text from wallet').get() as { text: string } | undefined
    const { text, result } = change(row?.text)
    if (text !== undefined) {
      database.prepare('insert or replace into wallet (id, text) values (1, ?)').run(text)
    }
    database.exec('commit')
    return result
  } catch (error) {
    if (database.isTransaction) database.exec('rollback')
    throw error
  }
}

async function openFile(folder: string, onDamage: (aside: string) => void): Promise<WalletFile> {
  const path = join(folder, 'wallet.db')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (;;) {
    if (!existsSync(path)) await create(folder, path)
    const inode = inodeOf(path)
    try {
      const database = connect(path)
      try {
        const [check] = database.prepare('pragma quick_check').all() as { quick_check: string }[]
        database.prepare('select text from wallet').all()
        if (check?.quick_check === 'ok' && inode !== undefined) return { path, inode, database }
      } catch (error) {
        database.close()
        throw error
      }
      database.close()
    } catch (error) {
      if (isBusy(error)) {
        await sleep(5)
        continue
      }
      if (!isDamage(error)) throw error
    }
    // Whoever was faster has put a good one there.
    if (inode === undefined || inodeOf(path) !== inode) continue
    const aside = `${path}.damaged-${randomUUID().slice(0, 8)}`
    await rename(path, aside).catch(() => {})
    await create(folder, path, '')
    onDamage(aside)
  }
}

/** A whole file appears at once, or none: what is empty was damaged. */
async function create(folder: string, path: string, text?: string): Promise<void> {
  const draft = join(folder, `.${randomUUID()}`)
  try {
    await (await open(draft, 'wx', 0o600)).close()
    const database = connect(draft)
    database.exec('create table wallet (id integer primary key, text text not null)')
    if (text !== undefined) database.prepare('insert into wallet values (1, ?)').run(text)
    database.close()
    await link(draft, path).catch((error) => {
      if (error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(draft, { force: true })
    await rm(`${draft}-journal`, { force: true })
  }
}

/**
 * Nothing waits for the disk: after a power cut the last seconds may be missing or the file damaged, and both are
 * noticed, by the server or here. A process that is killed leaves nothing half done.
 */
function connect(path: string): DatabaseSync {
  const { DatabaseSync } = sqlite()
  const database = new DatabaseSync(path)
  database.exec(
    'pragma journal_mode = truncate; pragma synchronous = off; pragma busy_timeout = 20',
  )
  return database
}

let loaded: typeof import('node:sqlite') | undefined

/** Some versions of Node warn on each start that it is experimental, which is nothing to a user of this wallet. */
function sqlite(): typeof import('node:sqlite') {
  if (loaded) return loaded
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    loaded = process.getBuiltinModule('node:sqlite')
  } finally {
    process.emitWarning = emitWarning
  }
  if (loaded) return loaded
  throw new JackError('usage', 'This runtime has no `node:sqlite`, where wallets are kept.', {
    hint: 'Use Node 22.19 or later, or pass a `store` of your own.',
  })
}

const inodeOf = (path: string): bigint | undefined =>
  (statSync(path, { bigint: true, throwIfNoEntry: false }) as BigIntStats | undefined)?.ino

/** Whether it was not deleted or set aside by another program: what is written to it then is lost. */
const isInPlace = ({ path, inode }: WalletFile): boolean => inodeOf(path) === inode

const codeOf = (error: unknown): number | undefined => (error as { errcode?: number }).errcode

/** SQLITE_BUSY and SQLITE_LOCKED, whatever their reason. */
const isBusy = (error: unknown): boolean => [5, 6].includes((codeOf(error) ?? 0) & 0xff)

/** SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_ERROR (the table is not there), SQLITE_IOERR_SHORT_READ. */
const isDamage = (error: unknown): boolean => {
  const code = codeOf(error) ?? 0
  return [1, 11, 26].includes(code & 0xff) || code === 522
}

function stateFolder({ env } = process): string {
  const named = env.XDG_STATE_HOME
  if (named && isAbsolute(named)) return join(named, 'jack', 'channels')
  const base = process.platform === 'win32' ? env.LOCALAPPDATA : undefined
  return join(base ?? join(env.HOME || homedir(), '.local', 'state'), 'jack', 'channels')
}
