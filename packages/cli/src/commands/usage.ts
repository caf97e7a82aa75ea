import type { Answer } from '@jackcloud/sdk'
import { type Command, Option } from 'commander'
import { bar, series, sinceOf, sparkline } from '../chart.ts'
import { bytes, paint, table, took, usd } from '../print.ts'
import { runwayText } from '../runway.ts'
import { openSession } from '../session.ts'

type Usage = Answer<'getUsage'>
type AccountUsage = Answer<'accountUsage'>
interface Query {
  per: 'minute' | 'hour' | 'day'
  since: string
}

export default (command: Command) =>
  command
    .argument('[project]', 'name or id; default: the project of this folder, else all of them')
    .option('--all', 'every project of the account')
    .addOption(
      new Option('--per <unit>', 'how to add up')
        .choices(['minute', 'hour', 'day'])
        .default('hour'),
    )
    .option('--since <time>', 'a time, or how long ago: 2h, 7d', '24h')
    .action(async (given, { all, ...query }) => {
      const { jack, print, settings, signal } = await openSession(command, { project: given })
      const project = all ? undefined : settings.project.value
      if (project === undefined) {
        const usage = await print.while('Reading usage', jack.usage(query, { signal }))
        print.answer(usage, () => {
          print.out(drawing(usage, query))
          if (usage.projects.length > 0) print.out(`\n${projects(usage)}`)
          print.out(`\n${runwayText(usage)}`)
        })
        return
      }
      const usage = await print.while(
        'Reading usage',
        jack.projects.usage(project, query, { signal }),
      )
      print.answer(usage, () => {
        print.out(drawing(usage, query))
        for (const line of budgets(usage)) print.out(line)
        print.out(`\n${runwayText(usage)}`)
      })
    })

const dim = (text: string) => paint('dim', text, process.stdout)
const count = (it: number) => it.toLocaleString('en')

/** How use went over time, and what each kind of it comes to. */
function drawing({ total, buckets }: Usage | AccountUsage, { per, since }: Query): string {
  if (buckets.length === 0) return 'Nothing was used.'
  const over = (value: (it: (typeof buckets)[number]) => number) =>
    paint('cyan', sparkline(series(buckets, per, value, { since: sinceOf(since) })), process.stdout)
  const errors =
    total.errors > 0 ? `, ${paint('red', count(total.errors), process.stdout)} failed` : ''
  const latency = total.latency
    ? `half within ${took(total.latency.p50_ms)}, 90% ${took(total.latency.p90_ms)}, 99% ${took(total.latency.p99_ms)}`
    : ''
  const lines = [
    `${dim('requests')}  ${over((it) => it.requests)}  ${count(total.requests)}${errors}`,
    `${dim('CPU     ')}  ${over((it) => it.cpu_ms)}  ${took(total.cpu_ms)}`,
    `${dim('cost    ')}  ${over((it) => Number(it.cost_usd))}  ${usd(total.cost_usd)}`,
    dim(`          since ${since}${/\d[smhd]$/.test(since) ? ' ago' : ''}, per ${per}`),
  ]
  if (latency) lines.push(`${dim('latency ')}  ${latency}`)
  return [...lines, '', kinds(total)].join('\n')
}

function kinds(total: Usage['total']): string {
  const { cost } = total
  const whole = Number(total.cost_usd)
  const row = (name: string, used: string, amount: string) => [
    name,
    used,
    usd(amount),
    paint('cyan', bar(Number(amount) / whole, 24), process.stdout),
  ]
  const rows = [
    row('requests', count(total.requests), cost.requests_usd),
    row('CPU', took(total.cpu_ms), cost.cpu_usd),
    row('rows read', count(total.rows_read), cost.rows_read_usd),
    row('rows written', count(total.rows_written), cost.rows_written_usd),
    [
      'egress',
      `${count(total.egress_requests)} requests, ${bytes(total.egress_bytes)}`,
      'free',
      '',
    ],
    ['total', '', usd(total.cost_usd), ''],
  ]
  return table(['kind', 'used#', 'cost#', ''], rows)
}

const projects = (usage: AccountUsage): string =>
  table(
    ['project', 'requests#', 'failed#', 'CPU#', '99% within#', 'cost#', ''],
    usage.projects.map((it) => [
      it.status === 'active' ? it.name : `${it.name} (${it.status})`,
      count(it.requests),
      count(it.errors),
      took(it.cpu_ms),
      it.latency ? took(it.latency.p99_ms) : '',
      usd(it.cost_usd),
      paint('cyan', bar(Number(it.cost_usd) / Number(usage.total.cost_usd), 16), process.stdout),
    ]),
  )

function budgets({ budget }: Usage): string[] {
  const lines = []
  if (Number(budget.included_left_usd) > 0)
    lines.push(`${usd(budget.included_left_usd)} of included runtime is left.`)
  if (budget.budget_usd !== null)
    lines.push(`${usd(budget.spent_usd)} of its budget of ${usd(budget.budget_usd)} is spent.`)
  if (budget.daily_budget_usd !== null)
    lines.push(
      `${usd(budget.spent_today_usd)} of its daily budget of ${usd(budget.daily_budget_usd)} is spent today.`,
    )
  return lines
}
