import { readFile } from 'node:fs/promises'
import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { askSecret, readStdin } from '../ask.ts'
import { assignments, parseEnvFile } from '../environment.ts'
import { distance, paint, table } from '../print.ts'
import { openSession, type Session } from '../session.ts'

export default function env(command: Command): void {
  const project = [
    '-p, --project <project>',
    'name or id; default: the project of this folder',
  ] as const

  const ls = command
    .command('ls')
    .description('list names; values are never shown')
    .option(...project)
  ls.action(async (options) => {
    const session = await openSession(ls, options)
    const { jack, print, signal } = session
    const answer = await print.while(
      'Reading names',
      jack.projects.env(session.project(), { signal }),
    )
    print.answer(answer, () => {
      if (answer.env.length === 0) print.note('No variables are set.')
      else
        print.out(
          table(
            ['name', 'changed'],
            answer.env.map((it) => [it.name, distance(it.updated_at)]),
          ),
        )
    })
  })

  const set = command
    .command('set')
    .description('set variables; NAME alone reads the value from stdin, or asks')
    .argument('<NAME=value...>', 'variables')
    .option(...project)
  set.action(async (given: string[], options) => {
    const session = await openSession(set, options)
    await update(session, await withValues(session, given))
  })

  const rm = command
    .command('rm')
    .description('delete variables')
    .argument('<NAME...>', 'their names')
    .option(...project)
  rm.action(async (names: string[], options) => {
    await update(
      await openSession(rm, options),
      Object.fromEntries(names.map((name) => [name, null])),
    )
  })

  const history = command
    .command('history')
    .description('who set or deleted which variable when')
    .option('-n, --limit <number>', 'at most so many', '50')
    .option(...project)
  history.action(async (options) => {
    const session = await openSession(history, options)
    const { jack, print, signal } = session
    const page = await print.while(
      'Reading the history',
      jack.projects.envHistory(session.project(), { limit: Number(options.limit) }, { signal }),
    )
    print.answer(page, () => {
      if (page.changes.length === 0) print.note('Nothing was ever set.')
      else {
        const rows = page.changes.map((it) => [
          it.name,
          it.action,
          distance(it.at),
          it.token_id ?? '',
        ])
        print.out(table(['name', 'what', 'when', 'token'], rows))
      }
    })
  })

  const load = command
    .command('import')
    .description('set every variable of an .env file')
    .argument('<file|->', 'the file, or - for stdin')
    .option(...project)
  load.action(async (file: string, options) => {
    const session = await openSession(load, options)
    await update(
      session,
      parseEnvFile(file === '-' ? await readStdin() : await readFile(file, 'utf8')),
    )
  })
}

async function withValues(session: Session, given: string[]): Promise<Record<string, string>> {
  const bare = given.filter((it) => !it.includes('='))
  const known = assignments(given.filter((it) => it.includes('=')))
  if (bare.length > 1 && !session.interactive) {
    throw new JackError('usage', 'Only one value can be read from stdin.', {
      hint: 'Use NAME=value, or `jack env import -` for many.',
    })
  }
  for (const name of bare) {
    known[name] = session.interactive ? await askSecret(`Value of ${name}`) : await readStdin()
  }
  return known
}

async function update(session: Session, env: Record<string, string | null>): Promise<void> {
  const { jack, print, signal } = session
  const names = Object.keys(env)
  if (names.length === 0) throw new JackError('usage', 'There are no variables in it.')
  const answer = await print.while(
    'Updating',
    jack.projects.updateEnv(session.project(), env, { signal }),
  )
  const said = (deleted: boolean, verb: string) => {
    const those = names.filter((name) => (env[name] === null) === deleted)
    if (those.length > 0)
      print.note(`${those.join(', ')} ${those.length === 1 ? 'is' : 'are'} ${verb}.`)
  }
  print.answer(answer, () => {
    said(false, 'set')
    said(true, 'deleted')
    print.note(paint('dim', 'The next request sees it.'))
  })
}
