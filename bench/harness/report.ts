import type { Question, Row } from './Question.ts'

/** A calm table of one question, for people. */
export function table(question: Question, rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.name,
    amount(row.value, row.unit),
    goalText(row),
    row.goal === null ? '' : row.pass ? 'ok' : 'MISSED',
    besideText(row),
  ])
  const widths = [0, 1, 2, 3].map((i) => Math.max(...cells.map((cell) => cell[i]?.length ?? 0)))
  const lines = cells.flatMap((cell, i) => {
    const line = cell.map((text, j) => text.padEnd(widths[j] ?? 0)).join('  ')
    const { note } = rows[i] as Row
    return note ? [`  ${line.trimEnd()}`, `    ${note}`] : [`  ${line.trimEnd()}`]
  })
  return `\n${question.name}: ${question.asks}\n${lines.join('\n')}\n`
}

const goalText = ({ goal, better, unit }: Row): string =>
  goal === null ? '' : `goal ${better === 'lower' ? '<=' : '>='} ${amount(goal, unit)}`

function besideText({ beside, ratio, missing = {}, unit }: Row): string {
  return [
    ...Object.entries(beside).map(
      ([name, value]) => `${name} ${amount(value, unit)} (${ratio[name]}x)`,
    ),
    ...Object.keys(missing).map((name) => `${name} MISSING`),
  ].join(', ')
}

function amount(value: number, unit: string): string {
  const text =
    value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
  return unit === 'x' || unit === '/s' ? `${text}${unit}` : `${text} ${unit}`
}
