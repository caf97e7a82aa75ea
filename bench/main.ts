import bundle from './bundle.ts'
import cli from './cli.ts'
import cold from './cold.ts'
import data from './data.ts'
import deploy from './deploy.ts'
import execute from './execute.ts'
import { installCompetitors } from './harness/competitors.ts'
import { endAll, interrupted } from './harness/processes.ts'
import { judge, type Question, type Row } from './harness/Question.ts'
import { table } from './harness/report.ts'
import hosted from './hosted.ts'
import kill from './kill.ts'
import mcp from './mcp.ts'
import metering from './metering.ts'
import oauth from './oauth.ts'
import payments from './payments.ts'
import redeploy from './redeploy.ts'
import saturated from './saturated.ts'
import signature from './signature.ts'

// `pnpm bench [name...] [--json]`. It measures and judges nothing: a missed goal is an answer too, so it ends with 0
// unless something broke.
const questions: Question[] = [
  execute,
  saturated,
  kill,
  hosted,
  cold,
  data,
  deploy,
  redeploy,
  cli,
  bundle,
  metering,
  mcp,
  signature,
  oauth,
  payments,
]

const args = process.argv.slice(2)
const json = args.includes('--json')
const names = args.filter((arg) => arg !== '--json' && arg !== '--')
const unknown = names.filter((name) => !questions.some((question) => question.name === name))
if (unknown.length > 0) {
  const known = questions.map(({ name, asks }) => `  ${name.padEnd(10)} ${asks}`).join('\n')
  process.stderr.write(`There is no ${unknown.join(', ')} to measure, but:\n${known}\n`)
  process.exit(2)
}

const say = (line: string) => process.stderr.write(`${line}\n`)
const results: Row[] = []
const errors: { question: string; message: string }[] = []

await installCompetitors(say)
for (const question of questions) {
  if (names.length > 0 && !names.includes(question.name)) continue
  const began = performance.now()
  try {
    const rows = (await question.run()).map((measured) => judge(question, measured))
    results.push(...rows)
    if (!json) process.stdout.write(table(question, rows))
  } catch (error) {
    // The process ends when everything that was started has ended.
    if (interrupted()) await new Promise(() => {})
    const message = (error as Error).stack ?? String(error)
    errors.push({ question: question.name, message })
    say(`\n!!! ${question.name} broke: ${message}`)
  }
  say(`  (${question.name}: ${((performance.now() - began) / 1_000).toFixed(0)} s)`)
}
await endAll()
if (json) {
  process.stdout.write(
    `${JSON.stringify({ results, ...(errors.length > 0 && { errors }) }, null, 2)}\n`,
  )
} else {
  const missed = results.filter(({ pass }) => !pass).map(({ name }) => name)
  process.stdout.write(
    `\n${results.length} values, ${missed.length} goals missed${missed.length > 0 ? `: ${missed.join(', ')}` : ''}\n`,
  )
}
process.exit(errors.length > 0 ? 1 : 0)
