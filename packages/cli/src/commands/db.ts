import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Answer, JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { readStdin } from '../ask.ts'
import { applyMigration, type Migrations, pendingMigrations } from '../migrations.ts'
import { bytes, plain, table } from '../print.ts'
import { openSession, type Session } from '../session.ts'

const project = [
  '-p, --project <project>',
  'name or id; default: the project of this folder',
] as const
const database = [
  '-d, --database <name>',
  "the database or its binding; default: the only one that this folder's configuration or the project has",
] as const

interface Options {
  project?: string
  database?: string
}

export default function db(command: Command): void {
  const ls = command
    .command('ls')
    .description('list databases')
    .option(...project)
  ls.action(async (options: Options) => {
    const session = await openSession(ls, options)
    const { jack, print, signal } = session
    const { name } = await configured(session, options)
    const answer = await print.while('Reading', jack.databases.list(name(), { signal }))
    print.answer(answer, () => {
      if (answer.databases.length === 0) print.note('There is no database yet.')
      else
        print.out(
          table(
            ['name', 'size#'],
            answer.databases.map((it) => [it.name, bytes(it.size_bytes)]),
          ),
        )
    })
  })

  const exec = command
    .command('exec')
    .description('run SQL in one transaction')
    .argument('[sql]', 'one statement or many')
    .option('-f, --file <file|->', 'read it from a file, or from stdin')
    .option(...project)
    .option(...database)
  exec.action(async (given: string | undefined, options: Options & { file?: string }) => {
    const session = await openSession(exec, options)
    const { jack, print, signal } = session
    const sql = given ?? (options.file === undefined ? undefined : await textOf(options.file))
    if (sql === undefined)
      throw new JackError('usage', 'What SQL? Write it down, or name a --file.')
    const it = await target(session, options)
    const answer = await print.while(
      'Running',
      jack.databases.query(it.project, it.database, { sql }, { signal }),
    )
    print.answer(answer, () => {
      for (const result of answer.results) showResult(session, result)
    })
  })

  const migrate = command
    .command('migrate')
    .description('apply the migrations that were not applied yet, each in a transaction')
    .option('--dir <folder>', 'where they are; default: migrations_dir, or migrations')
    .option('--dry-run', 'only say which')
    .option(...project)
    .option(...database)
  migrate.action(async (options: Options & { dir?: string; dryRun?: boolean }) => {
    const session = await openSession(migrate, options)
    const { print } = session
    const it = await target(session, options)
    const migrations = { ...it, folder: resolve(options.dir ?? it.folder) }
    const pending = await print.while('Looking', pendingIn(session, migrations))
    if (!options.dryRun) {
      for (const file of pending) {
        await print.while(file, applyMigration(session.jack, migrations, file))
        print.note(`applied ${file}`)
      }
    }
    const answer = {
      project: it.project,
      database: it.database,
      [options.dryRun ? 'pending' : 'applied']: pending,
    }
    print.answer(answer, () => {
      if (pending.length === 0) print.note('Nothing to apply.')
      else if (options.dryRun) for (const file of pending) print.out(file)
    })
  })

  const save = command
    .command('export')
    .description('print a database as SQL')
    .option('-o, --output <file>', 'write it into a file')
    .option(...project)
    .option(...database)
  save.action(async (options: Options & { output?: string }) => {
    const session = await openSession(save, options)
    const { jack, print, signal } = session
    const it = await target(session, options)
    const answer = await print.while(
      'Reading',
      jack.databases.export(it.project, it.database, { signal }),
    )
    if (options.output === undefined) {
      print.answer(answer, () => print.out(answer.sql.trimEnd()))
      return
    }
    await writeFile(options.output, answer.sql)
    print.answer({ name: answer.name, file: options.output }, () =>
      print.note(`${answer.name} is in ${options.output}.`),
    )
  })

  const load = command
    .command('import')
    .description('run an SQL file of any size')
    .argument('<file|->', 'the file, or - for stdin')
    .option(...project)
    .option(...database)
  load.action(async (file: string, options: Options) => {
    const session = await openSession(load, options)
    const { jack, print, signal } = session
    const sql = await textOf(file)
    const it = await target(session, options)
    const answer = await print.while(
      'Importing',
      creating(session, it.project, () =>
        jack.databases.import(it.project, it.database, sql, { signal }),
      ),
    )
    print.answer({ ...it, ...answer }, () =>
      print.note(`${answer.statements} statements were run on ${it.database}.`),
    )
  })
}

const textOf = (file: string) => (file === '-' ? readStdin() : readFile(file, 'utf8'))

/** What this folder says, unless another project was named; and which project is meant. */
async function configured(session: Session, options: Options) {
  const { readDatabases } = await import('@jackcloud/bundler')
  const here = options.project === undefined ? await readDatabases(process.cwd()) : undefined
  return {
    databases: here?.databases ?? [],
    name: () => session.settings.project.value ?? here?.name ?? session.project(),
  }
}

/** Which database of which project is meant. */
async function target(session: Session, options: Options): Promise<Migrations> {
  const { databases, name } = await configured(session, options)
  const project = name()
  const declared =
    options.database === undefined
      ? databases.length === 1
        ? databases[0]
        : undefined
      : databases.find((it) => [it.database, it.binding].includes(options.database as string))
  const database =
    declared?.database ??
    options.database ??
    (await onlyOne(
      session,
      project,
      databases.map((it) => it.database),
    ))
  return {
    project,
    database,
    folder: declared?.migrationsFolder ?? 'migrations',
    table: declared?.migrationsTable ?? 'd1_migrations',
  }
}

async function onlyOne(session: Session, project: string, declared: string[]): Promise<string> {
  const names =
    declared.length > 0
      ? declared
      : (await session.jack.databases.list(project)).databases.map((it) => it.name)
  if (names.length === 1) return names[0] as string
  throw new JackError('usage', 'Which database?', {
    hint:
      names.length === 0
        ? 'Declare one in "d1_databases", or name it with -d: the first use makes it.'
        : `There are ${names.join(', ')}: name one with -d.`,
  })
}

const pendingIn = (session: Session, migrations: Migrations) =>
  creating(session, migrations.project, () => pendingMigrations(session.jack, migrations))

/** Data may come before the first deploy: the project is made then. */
async function creating<T>(
  { jack, print }: Session,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const missing = error instanceof JackError && error.code === 'not_found'
    if (!missing || name.startsWith('prj_')) throw error
    await jack.projects.create({ name })
    print.note(`The project ${name} is new.`)
    return work()
  }
}

function showResult({ print }: Session, it: Answer<'queryDatabase'>['results'][number]): void {
  if (it.columns.length > 0) {
    print.out(
      table(
        it.columns.map(plain),
        it.rows.map((row) => row.map((value) => (value === null ? 'NULL' : plain(shown(value))))),
      ),
    )
  } else print.note(`${it.changes} ${it.changes === 1 ? 'row' : 'rows'} changed.`)
}

const shown = (value: unknown): string =>
  Array.isArray(value) ? `x'${Buffer.from(value).toString('hex')}'` : String(value)
