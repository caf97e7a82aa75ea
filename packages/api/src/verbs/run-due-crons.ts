import { dueNow, missedMost, nextDue } from '../Cron.ts'
import type { Jack } from '../jack.ts'
import { isExpired } from '../Project.ts'
import * as crons from '../store/crons.ts'
import * as projects from '../store/projects.ts'
import { runCron } from './run-cron.ts'

/** How many are begun at a time, and how many of one account run at once; the others wait, and are late. */
const batch = 50
const perAccount = 16
/** A run says that it goes on, so that one that a crash cut off is soon not waited for. */
const leaseMs = 30_000

interface Begun {
  projectId: string
  expression: string
  dueAt: Date
  missed: number
}

/**
 * Runs what is due. A due time is claimed by moving the cron to its next one before anything runs, so it is run at most
 * once, whoever crashes and however clocks jump. Of many due times that nobody was there for, the last one is run, and
 * says so. Resolves when everything has begun.
 */
export async function runDueCrons(jack: Jack): Promise<void> {
  for (const it of await claim(jack)) jack.background.start(() => run(jack, it))
}

async function claim(jack: Jack): Promise<Begun[]> {
  const now = jack.now()
  return jack.db.transaction().execute(async (db) => {
    const due = await crons.lockDue(db, now, { limit: batch, perAccount, leaseMs })
    if (due.length === 0) return []
    await crons.advance(
      db,
      due.map((it) => ({ ...it, nextAt: nextDue(it.expression, now), running: !it.running })),
      leaseEnd(now),
    )
    for (const it of due.filter(({ running }) => running)) {
      note(jack, it, 'this run is skipped: the one before it is still going.')
    }
    return due
      .filter(({ running }) => !running)
      .map((it) => ({ ...it, ...dueNow(it.expression, it.nextAt, now) }))
  })
}

/** Never rejects, so that no run is tried again. */
async function run(jack: Jack, { projectId, expression, dueAt, missed }: Begun): Promise<void> {
  const name = { projectId, expression }
  const beat = setInterval(() => {
    crons
      .stillRunning(jack.db, name, leaseEnd(jack.now()))
      .catch((err) => jack.log.warn({ err }, 'cron'))
  }, leaseMs / 3)
  let outcome = 'internal'
  try {
    const project = await projects.findById(jack.db, projectId)
    if (project?.status !== 'active' || isExpired(project, jack.now())) outcome = 'not_active'
    else {
      if (missed > 0) note(jack, name, missedText(missed, dueAt))
      outcome = (await runCron(jack, project, expression, dueAt)).outcome
    }
  } catch (err) {
    jack.log.error({ err, ...name }, 'cron')
  } finally {
    clearInterval(beat)
  }
  jack.background.start(() => crons.finish(jack.db, name, { at: dueAt, outcome }))
}

function note(
  jack: Jack,
  { projectId, expression }: { projectId: string; expression: string },
  said: string,
): void {
  jack.recorder.line({
    projectId,
    deploymentId: null,
    at: jack.now(),
    level: 'warn',
    message: `[cron] ${expression}: ${said}`,
  })
}

const missedText = (missed: number, dueAt: Date): string =>
  `${missed >= missedMost ? `${missedMost} or more` : missed} ${missed === 1 ? 'run was' : 'runs were'} missed ` +
  `while the server was down; this one, due at ${dueAt.toISOString()}, is for all.`

const leaseEnd = (now: Date): Date => new Date(now.getTime() + leaseMs)
