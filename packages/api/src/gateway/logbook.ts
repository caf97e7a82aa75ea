import type { Db } from '../store/database.ts'
import * as logs from '../store/logs.ts'

/** Most lines that wait for the next flush; what comes beyond is counted and told as one line. */
const waitingLines = 5_000
const waitingPerProject = 1_000
/** What a project has room for however much the others print. */
const alwaysPerProject = 50

/** What waits of one project. */
interface Waiting {
  lines: number
  dropped: number
  droppedBytes: number
}

/**
 * Collects what apps print, and stores it in batches: a line costs no query. What waits is lost when the process is
 * killed: at most one flush interval.
 */
export class Logbook {
  #lines: logs.NewLogLine[] = []
  #waiting = new Map<string, Waiting>()

  readonly #db: Db
  readonly #mapped: (lines: logs.NewLogLine[]) => Promise<logs.NewLogLine[]>

  /** @param mapped puts stacks into the words of their sources */
  constructor(db: Db, mapped: (lines: logs.NewLogLine[]) => Promise<logs.NewLogLine[]>) {
    this.#db = db
    this.#mapped = mapped
  }

  line(line: logs.NewLogLine): void {
    const project = this.#waiting.get(line.projectId) ?? { lines: 0, dropped: 0, droppedBytes: 0 }
    this.#waiting.set(line.projectId, project)
    const room = this.#lines.length < waitingLines ? waitingPerProject : alwaysPerProject
    if (project.lines >= room) {
      project.dropped++
      project.droppedBytes += line.message.length
      return
    }
    project.lines++
    this.#lines.push(line)
  }

  /** Stores everything that waits. When it can't, that waits on, and the error is thrown. */
  async flush(): Promise<void> {
    const lines = this.#lines
    const waiting = this.#waiting
    this.#lines = []
    this.#waiting = new Map()
    for (const [projectId, { dropped, droppedBytes }] of waiting) {
      if (dropped > 0) lines.push(droppedLine(projectId, dropped, droppedBytes))
    }
    try {
      await logs.append(this.#db, await this.#mapped(lines))
    } catch (error) {
      for (const line of lines) this.line(line)
      throw error
    }
  }
}

const droppedLine = (projectId: string, lines: number, bytes: number): logs.NewLogLine => ({
  projectId,
  deploymentId: null,
  at: new Date(),
  level: 'warn',
  message: `dropped ${lines} lines (${bytes} bytes): too much is logged at once`,
})
