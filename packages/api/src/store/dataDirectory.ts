import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import koffi from 'koffi'
import { JackError } from '../Errors.ts'

export interface DataDirectory {
  /** Absolute, without links. */
  path: string
  /** Lets another process have it. Ending this process does the same. */
  release(): void
}

/**
 * Makes the data directory and takes it for this process. Throws `conflict` when another process has it.
 *
 * The lock is flock(2) on `<path>/lock`: the kernel lets go of it however the process ends, and there is no moment
 * in which two processes can both take over from a dead one, as there is with pid files and socket files. It also
 * holds between containers that share a volume. Node has no flock, hence the call into libc.
 */
export function openDataDirectory(path: string): DataDirectory {
  mkdirSync(path, { recursive: true })
  // A folder with things of others in it keeps its mode. Under root, the database and the sandboxes run as other
  // users, who must pass through but see nothing.
  const uid = process.getuid?.()
  const isOurs = readdirSync(path).every((name) => name === 'lock') && statSync(path).uid === uid
  if (isOurs) chmodSync(path, uid === 0 ? 0o711 : 0o700)
  const directory = realpathSync(path)
  const file = join(directory, 'lock')
  // A number, not a FileHandle: that would be closed, and the lock lost, when nobody refers to it any more.
  const fd = openSync(file, 'a', 0o600)
  if (flock(fd, LOCK_EXCLUSIVE | LOCK_NOW) !== 0) {
    const error = koffi.errno()
    closeSync(fd)
    if (error !== koffi.os.errno.EAGAIN)
      throw new Error(`${file} cannot be locked (errno ${error}): is it on a network file system?`)
    const pid = readFileSync(file, 'utf8').trim()
    throw new JackError('conflict', `Another Jack runs on ${directory} (pid ${pid}).`, {
      hint: 'Stop it, or choose another data directory.',
    })
  }
  try {
    requireFormat(join(directory, 'format'))
  } catch (error) {
    closeSync(fd)
    throw error
  }
  ftruncateSync(fd)
  writeSync(fd, `${process.pid}\n`)
  let held = true
  return {
    path: directory,
    release: () => {
      if (held) closeSync(fd)
      held = false
    },
  }
}

/** Rises when a later version keeps its files in a way that this one would misread. */
const FORMAT = 1

/** Throws `conflict` when a later version wrote here. What has no format is of before there was one. */
function requireFormat(file: string): void {
  const text = existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined
  if (text === undefined) writeFileSync(file, `${FORMAT}\n`, { mode: 0o600, flush: true })
  else if (!(Number(text) <= FORMAT)) {
    throw new JackError(
      'conflict',
      `The data directory has format ${text.slice(0, 20)}, and this Jack knows up to ${FORMAT}.`,
      { hint: 'Start the version that wrote it, or a later one.' },
    )
  }
}

const LOCK_EXCLUSIVE = 2
const LOCK_NOW = 4

const flock = koffi.load(null).func('int flock(int fd, int operation)')
