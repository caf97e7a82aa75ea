import type { Answer } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { bytes, distance, listing, type Print, paint, plain, took, usd } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('[project]', 'name or id; default: the project of this folder')
    .action(async (given) => {
      const session = await openSession(command, { project: given })
      const { jack, print, signal } = session
      const project = session.project()
      const [it, { crons }] = await print.while(
        'Reading the project',
        Promise.all([
          jack.projects.get(project, { signal }),
          jack.projects.crons(project, { signal }),
        ]),
      )
      print.answer({ ...it, crons }, () => {
        print.out(
          listing([
            ['name', it.name],
            ['url', it.url],
            ['status', it.reason ? `${it.status}: ${it.reason}` : it.status],
            ['live', it.live_deployment_id],
            ...crons.map((cron): [string, string] => [
              'cron',
              `${cron.cron} (${cron.next_at ? `next ${distance(cron.next_at)}` : 'never again'})`,
            ]),
            ...it.bindings.map((one): [string, string] => ['binding', bindingText(one)]),
            ['may reach', it.egress && (it.egress.join(', ') || 'no host')],
            ['budget', usd(it.budget_usd)],
            ['daily budget', usd(it.daily_budget_usd)],
            ['expires', it.expires_at && `${it.expires_at} (${distance(it.expires_at)})`],
            ['kept until', it.kept_until && `${it.kept_until} (${distance(it.kept_until)})`],
            ['created', `${it.created_at} (${distance(it.created_at)})`],
            ['updated', `${it.updated_at} (${distance(it.updated_at)})`],
            ['id', it.project_id],
          ]),
        )
        if (it.suspension) explain(print, it.suspension)
        for (const warning of it.warnings) print.warn(warning)
      })
    })

type Binding = Answer<'getProject'>['bindings'][number]

/** @example bindingText({ type: 'd1', name: 'DB', database: 'main' }) // 'DB  D1 main' */
function bindingText(it: Binding): string {
  switch (it.type) {
    case 'kv':
      return `${it.name}  KV ${it.namespace}`
    case 'd1':
      return `${it.name}  D1 ${it.database}`
    case 'durable_object':
      return `${it.name}  Durable Object ${it.class_name}`
    case 'queue':
      return `${it.name}  queue ${it.queue}`
    case 'service':
      return `${it.name}  project ${it.service}`
  }
}

/** What was seen when the project was suspended, and the way back. */
function explain(print: Print, it: NonNullable<Answer<'getProject'>['suspension']>): void {
  const { evidence } = it
  print.out(`\nSuspended ${distance(it.since)} (${it.code}, ${it.since}).`)
  if (Number(evidence.owed_usd ?? 0) > 0) print.out(`  ${usd(evidence.owed_usd)} is owed.`)
  if (evidence.limit_usd !== undefined)
    print.out(`  It spent ${usd(evidence.spent_usd)} of ${usd(evidence.limit_usd)}.`)
  for (const strike of evidence.strikes ?? []) {
    const used = [
      ...(strike.cpu_ms === null ? [] : [`${took(strike.cpu_ms)} of CPU`]),
      ...(strike.memory_bytes === null ? [] : [bytes(strike.memory_bytes)]),
    ]
    print.out(
      `  ${strike.at}  ${strike.kind}  ${plain(strike.detail)}${used.length ? ` (${used.join(', ')})` : ''}  ${strike.deployment_id}`,
    )
  }
  if (evidence.last_lines?.length) print.out('  It printed last:')
  // Indented, so that nothing that an app prints looks like Jack's words.
  for (const line of evidence.last_lines ?? [])
    print.out(`    ${plain(line).replaceAll('\n', '\n    ')}`)
  print.note(`${paint('cyan', 'hint')} ${it.hint}`)
  for (const { command, when } of it.next)
    print.note(`${paint('cyan', 'next')} ${paint('bold', command)}  ${paint('dim', when)}`)
}
