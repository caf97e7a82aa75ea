import { type Command, InvalidArgumentError } from 'commander'
import { distance, table } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .option('-n, --limit <count>', 'how many', count, 50)
    .option('--cursor <cursor>', 'go on where another page ended')
    .action(async ({ limit, cursor }) => {
      const { jack, print, signal } = await openSession(command)
      const page = await print.while('Reading', jack.audit({ limit, cursor }, { signal }))
      print.answer(page, () => {
        print.out(
          table(
            ['when', 'what', 'project?', 'token?', 'from', 'status#'],
            page.entries.map((it) => [
              distance(it.at),
              it.operation,
              it.project ?? '',
              it.token_name ?? it.token_id ?? '',
              it.address,
              String(it.status),
            ]),
          ),
        )
        if (page.next_cursor) print.note(`More: jack audit --cursor ${page.next_cursor}`)
      })
    })

function count(text: string): number {
  const number = Number(text)
  if (Number.isInteger(number) && number > 0 && number <= 500) return number
  throw new InvalidArgumentError('It is a whole number, at most 500.')
}
