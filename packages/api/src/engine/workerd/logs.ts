import type { LogLine } from '../Engine.ts'

/**
 * Lets through so many lines and bytes a second, with a burst, and says how many it dropped.
 * The pipe behind it is drained all the same: an app that floods slows down nobody.
 */
export function limitLogs(
  write: (line: LogLine) => void,
  now: () => number,
  { linesPerSecond = 500, bytesPerSecond = 262_144, burstSeconds = 4 } = {},
): (line: LogLine) => void {
  let lines = linesPerSecond * burstSeconds
  let bytes = bytesPerSecond * burstSeconds
  let at = now()
  let dropped = 0
  let _timer: NodeJS.Timeout | undefined
  const tell = () => {
    _timer = undefined
    if (dropped === 0) return
    write({ level: 'warn', message: `dropped ${dropped} lines: the app logs too much` })
    dropped = 0
  }
  return ({ level, message }) => {
    const elapsed = Math.max(0, now() - at) / 1000
    at = now()
    lines = Math.min(linesPerSecond * burstSeconds, lines + elapsed * linesPerSecond)
    bytes = Math.min(bytesPerSecond * burstSeconds, bytes + elapsed * bytesPerSecond)
    const short = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message
    if (lines < 1 || bytes < short.length) {
      dropped++
      _timer ??= setTimeout(tell, 1000).unref()
      return
    }
    lines--
    bytes -= short.length
    write({ level, message: short })
  }
}

const MAX_MESSAGE = 16_384
