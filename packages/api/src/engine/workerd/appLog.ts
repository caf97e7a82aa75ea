import type { HostedLine } from '../Engine.ts'
import { LineLimit } from './logs.ts'
import { type OutputLine, type Patience, uncaught } from './output.ts'
import { readMark } from './requestModule.ts'

/** How fast an app's output is read. Far more than is kept, so that an app has to print a lot to feel it. */
const READ_BYTES_PER_SECOND = 4_194_304

/** How long the engine's word about an exception, and the app's own, wait for each other: two rounds. */
const ROUND_MS = 50
const MOST_WAITING = 500

/**
 * What becomes of an app's output: its own lines with the request that they belong to, and of what workerd says, the
 * exceptions of which the app itself did not tell. The two come through two pipes, in any order.
 */
export function appLog(write: (line: HostedLine) => void, now: () => number) {
  const limit = new LineLimit(write, now)
  const patience: Patience = {
    bytesPerSecond: READ_BYTES_PER_SECOND,
    wanted: () => limit.open(),
    onSkipped: (lines, bytes) => limit.dropped(lines, bytes),
  }
  /** Exceptions that the app told of, in this round and the one before. */
  let told: string[] = []
  let toldBefore: string[] = []
  /** Exceptions that workerd told of. */
  let heard: string[] = []
  let heardBefore: string[] = []
  let timer: NodeJS.Timeout | undefined
  const unknown = (message: string) => !take(told, message) && !take(toldBefore, message)
  const settle = () => {
    timer = undefined
    for (const message of heardBefore.filter(unknown))
      limit.line({
        level: 'error',
        kind: 'exception',
        requestId: null,
        message: `Uncaught ${message}`,
      })
    heardBefore = heard.filter(unknown)
    heard = []
    toldBefore = told
    told = []
    if (toldBefore.length + heardBefore.length > 0) later()
  }
  const later = () => {
    timer ??= setTimeout(settle, ROUND_MS).unref()
  }
  return {
    patience,
    onLine(line: OutputLine): void {
      if (line.from === 'program') {
        const { exception, ...rest } = readMark(line.message)
        if (exception && told.length < MOST_WAITING) {
          told.push(essence(rest.message))
          later()
        }
        limit.line({ ...rest, level: line.level, kind: exception ? 'exception' : 'console' })
        return
      }
      const message = uncaught(line.message)
      if (message === undefined || heard.length >= MOST_WAITING) return
      heard.push(message)
      later()
    },
    /** The process is over: what still waits is written. */
    end(): void {
      clearTimeout(timer)
      settle()
      settle()
      clearTimeout(timer)
      limit.tell()
    },
  }
}

function take(told: string[], message: string): boolean {
  const at = told.indexOf(essence(message))
  if (at < 0) return false
  told.splice(at, 1)
  return true
}

/** The words of an exception, without its kind and its stack, which both do not write alike. */
const essence = (message: string): string =>
  (message.slice(0, 1_000).split('\n    at ', 1)[0] as string)
    .replace(/^Uncaught (?:\(in promise\) )?/, '')
    .replace(/^(?:\w{1,60}: ){1,4}/, '')
    .slice(0, 200)
