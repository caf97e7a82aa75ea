import type { HostedLine } from '../Engine.ts'

/**
 * Lets through so many lines and bytes a second, with a burst, and says how many it dropped and how large they were.
 * An app that floods slows down nobody but itself.
 */
export class LineLimit {
  readonly #write: (line: HostedLine) => void
  readonly #now: () => number
  readonly #rates: { linesPerSecond: number; bytesPerSecond: number; burstSeconds: number }
  #lines: number
  #bytes: number
  #at: number
  #dropped = 0
  #droppedBytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(
    write: (line: HostedLine) => void,
    now: () => number,
    { linesPerSecond = 500, bytesPerSecond = 262_144, burstSeconds = 4 } = {},
  ) {
    this.#write = write
    this.#now = now
    this.#rates = { linesPerSecond, bytesPerSecond, burstSeconds }
    this.#lines = linesPerSecond * burstSeconds
    this.#bytes = bytesPerSecond * burstSeconds
    this.#at = now()
  }

  /** Whether there is room for any line now. */
  open(): boolean {
    const { linesPerSecond, bytesPerSecond, burstSeconds } = this.#rates
    const elapsed = Math.max(0, this.#now() - this.#at) / 1000
    this.#at = this.#now()
    this.#lines = Math.min(linesPerSecond * burstSeconds, this.#lines + elapsed * linesPerSecond)
    this.#bytes = Math.min(bytesPerSecond * burstSeconds, this.#bytes + elapsed * bytesPerSecond)
    return this.#lines >= 1 && this.#bytes >= 1
  }

  line(line: HostedLine): void {
    const message =
      line.message.length > MAX_MESSAGE ? `${line.message.slice(0, MAX_MESSAGE)}…` : line.message
    if (!this.open() || this.#bytes < message.length) {
      this.dropped(1, line.message.length)
      return
    }
    this.#lines--
    this.#bytes -= message.length
    this.#write({ ...line, message })
  }

  /** Counts lines that nobody will read; says so in a second at the latest. */
  dropped(lines: number, bytes: number): void {
    this.#dropped += lines
    this.#droppedBytes += bytes
    this.#timer ??= setTimeout(() => this.tell(), 1000).unref()
  }

  /** Says at once what was dropped and not told yet. */
  tell(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#dropped === 0) return
    this.#write({
      level: 'warn',
      kind: 'notice',
      requestId: null,
      message: droppedMessage(this.#dropped, this.#droppedBytes),
    })
    this.#dropped = 0
    this.#droppedBytes = 0
  }
}

export const droppedMessage = (lines: number, bytes: number): string =>
  `dropped ${lines} lines (${bytes} bytes): the app logs too much`

const MAX_MESSAGE = 16_384
