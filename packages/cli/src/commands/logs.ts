import { JackError } from '@jackcloud/sdk'
import type { LogEntry } from '@jackcloud/sdk/wire'
import { type Command, Option } from 'commander'
import { paint, plain } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('[project]', 'name or id; default: the project of this folder')
    .option('-f, --follow', 'keep printing what comes')
    .option('--since <time>', 'a time, or how long ago: 90s, 15m, 2h, 7d')
    .option('--until <time>', 'a time, or how long ago')
    .addOption(
      new Option('--level <level>', 'the least severe level').choices([
        'debug',
        'info',
        'log',
        'warn',
        'error',
      ]),
    )
    .option('--query <text>', 'only lines that contain this')
    .option('-n, --limit <count>', 'at most this many lines', count)
    .option('--deployment <id>', 'only of this version')
    .option('--request <id>', 'only of this request: the x-request-id of its answer')
    .addHelpText('after', '\nWith --json every line is one JSON object.')
    .action(async (given, { follow, limit, ...filter }) => {
      const session = await openSession(command, { project: given })
      const { jack, print, signal } = session
      const project = session.project()
      // Without a beginning, the latest lines; with one, all from there.
      let left = limit ?? (filter.since === undefined ? 100 : Number.POSITIVE_INFINITY)
      let last: string | undefined
      for (let cursor: string | undefined; left > 0; ) {
        const query = { ...filter, cursor, limit: Math.min(left, 500) }
        const page = await print.while(
          'Reading logs',
          jack.projects.logs(project, query, { signal }),
        )
        for (const it of page.logs) print.item(it, () => lineOf(it))
        left -= page.logs.length
        last = page.logs.at(-1)?.id ?? last
        if (filter.since === undefined || !page.next_cursor || page.logs.length === 0) break
        cursor = page.next_cursor
      }
      if (!follow) {
        if (last === undefined) print.note('Nothing was logged.')
        return
      }
      print.note(paint('dim', 'Following. Ctrl-C ends.'))
      const from = { ...filter, since: undefined, until: undefined, lastEventId: last }
      for await (const it of jack.projects.followLogs(project, from, { signal })) {
        print.item(it, () => lineOf(it))
      }
      signal.throwIfAborted()
    })

const colours = { debug: 'gray', info: 'blue', log: 'white', warn: 'yellow', error: 'red' } as const

type Line = Pick<LogEntry, 'at' | 'level' | 'message' | 'request_id' | 'kind'>

/**
 * A line for people. Only a line of the log begins at the left edge, with its time: whatever else an app prints is
 * indented, so that it cannot look like one. What Jack itself says has `jack` where the level stands.
 */
export function lineOf({ at, level, message, request_id, kind }: Line): string {
  const say = (format: Parameters<typeof paint>[0], text: string) =>
    paint(format, text, process.stdout)
  const time = say('dim', at.replace('T', ' ').replace('Z', ''))
  const who = say(colours[level] ?? 'white', (kind === 'notice' ? 'jack' : level).padEnd(5))
  const [first, ...rest] = plain(message).split('\n')
  const request =
    request_id === null ? '' : `  ${say('dim', plain(request_id).replaceAll('\n', ''))}`
  const more = rest.map((line) => `    ${/^\s+at /.test(line) ? say('dim', line) : line}`)
  return [`${time} ${who} ${first}${request}`, ...more].join('\n')
}

function count(text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number >= 1) return number
  throw new JackError('usage', `"${text}" is not a number of lines.`)
}
