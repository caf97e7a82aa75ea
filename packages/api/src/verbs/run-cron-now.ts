import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { isExpired, type Project } from '../Project.ts'
import { stillSuspended } from '../Suspension.ts'
import * as crons from '../store/crons.ts'
import { type CronRun, runCron } from './run-cron.ts'

/**
 * Runs a cron of a project by hand, whether it is due or not; its schedule goes on as if nothing had been.
 * Throws `not_found` when the schedule has no such expression.
 *
 * @param expression may be left out when there is only one
 */
export async function runCronNow(
  jack: Jack,
  project: Project,
  expression: string | undefined,
): Promise<CronRun & { cron: string; scheduledAt: Date }> {
  if (project.suspension) throw stillSuspended(project, project.suspension)
  if (isExpired(project, jack.now()))
    throw new JackError('gone', 'This project has reached the end of its time.')
  const schedule = (await crons.list(jack.db, project.projectId)).map((it) => it.expression)
  const [only] = schedule
  if (only === undefined) {
    throw new JackError('not_found', `Nothing that is live in ${project.name} has a schedule.`, {
      hint: 'Declare it as "triggers": { "crons": ["*/5 * * * *"] } and deploy.',
    })
  }
  const listed = `It has ${schedule.map((it) => `"${it}"`).join(', ')}.`
  if (expression === undefined && schedule.length > 1)
    throw new JackError('invalid_request', 'Which cron is meant?', { hint: listed })
  const cron = expression ?? only
  if (!schedule.includes(cron)) {
    throw new JackError('not_found', `The schedule has no "${cron}".`, { hint: listed })
  }
  const scheduledAt = jack.now()
  return { ...(await runCron(jack, project, cron, scheduledAt)), cron, scheduledAt }
}
