import { Cron as Expression } from 'croner'
import { JackError } from './Errors.ts'

/** One expression of the schedule of what is live in a project, and what became of it last. */
export interface Cron {
  projectId: string
  expression: string
  /** When it is due next; null for never. */
  nextAt: Date | null
  /** The due time that was last run, or tried to. */
  lastAt: Date | null
  /** "ok", "exception", or why it did not run. */
  lastOutcome: string | null
}

/**
 * Throws `invalid_request` for an expression that Jack cannot follow, or that is never due, such as February 30.
 *
 * @param now from when on it must be due once more
 */
export function requireCron(expression: string, now: Date): void {
  let next: Date | null
  try {
    next = nextDue(expression, now)
  } catch (error) {
    throw new JackError(
      'invalid_request',
      `The cron expression "${expression}" cannot be followed: ${(error as Error).message.replace(/^CronPattern: /, '')}`,
      {
        hint: 'Five fields in UTC: minute, hour, day of month, month, day of week (1 is Sunday), such as "*/5 * * * *".',
      },
    )
  }
  if (!next)
    throw new JackError('invalid_request', `The cron expression "${expression}" is never due.`)
}

/** The first due time after another time; null when there is none. */
export const nextDue = (expression: string, after: Date): Date | null =>
  parse(expression).nextRun(after)

/** The most missed due times that are counted one by one. */
export const missedMost = 100

/**
 * The last due time that has come, and how many before it were missed (at most `missedMost`), when the next one was
 * expected at `expectedAt`, which has come.
 */
export function dueNow(
  expression: string,
  expectedAt: Date,
  now: Date,
): { dueAt: Date; missed: number } {
  const pattern = parse(expression)
  // The library's "previous" is before, not at.
  const latest = pattern.previousRuns(1, new Date(now.getTime() + 1))[0]
  if (!latest || latest <= expectedAt) return { dueAt: expectedAt, missed: 0 }
  const later = pattern.nextRuns(missedMost, expectedAt).filter((it) => it <= latest)
  return { dueAt: latest, missed: later.length }
}

/** As Workers read it: minutes, UTC, weekdays from 1 (Sunday) to 7, days of month and week joined by "or". */
const parse = (expression: string) =>
  new Expression(expression, { mode: '5-part', alternativeWeekdays: true, utcOffset: 0 })
