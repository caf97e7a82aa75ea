import { readFile, stat } from 'node:fs/promises'
import { relative } from 'node:path'
import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { bytes, distance, paint, table } from '../print.ts'
import { openSession } from '../session.ts'

export default function files(command: Command): void {
  const project = [
    '-p, --project <project>',
    'name of the project, which need not exist yet; default: the project of this folder',
  ] as const

  const put = command
    .command('put')
    .description('stage files for a later `jack deploy --staged`')
    .argument('<file...>', 'files, or - for stdin')
    .option('--as <path>', 'the path in the program; default: the one from here')
    .option('--append', 'add to the end of what is staged')
    .option(...project)
  put.action(async (given: string[], options) => {
    const session = await openSession(put, options)
    const { jack, print, signal } = session
    if (options.as !== undefined && given.length > 1) {
      throw new JackError('usage', '--as names one file.', { hint: 'Stage them one by one.' })
    }
    const append = options.append === true
    const contents = await Promise.all(
      given.map(async (file) => [options.as ?? pathOf(file), contentOf(await read(file))] as const),
    )
    const answer = await print.while(
      'Staging',
      jack.files.put(
        session.project(),
        { files: Object.fromEntries(contents), append },
        { signal },
      ),
    )
    print.answer(answer, () => {
      print.note(
        `${answer.count} ${answer.count === 1 ? 'file is' : 'files are'} staged (${bytes(answer.size_bytes)}), forgotten ${distance(answer.expires_at)}.`,
      )
      print.note(
        `${paint('cyan', 'next')} ${paint('bold', `jack deploy --staged --name ${session.project()}`)}  ${paint('dim', 'to put it on a live URL')}`,
      )
    })
  })

  const ls = command
    .command('ls')
    .description('list what is staged')
    .option(...project)
  ls.action(async (options) => {
    const session = await openSession(ls, options)
    const { jack, print, signal } = session
    const page = await print.while(
      'Reading the stage',
      jack.files.list(session.project(), { limit: 500 }, { signal }),
    )
    print.answer(page, () => {
      if (page.files.length === 0) print.note('Nothing is staged.')
      else {
        const rows = page.files.map((it) => [
          it.path,
          bytes(it.size_bytes),
          distance(it.updated_at),
        ])
        print.out(table(['path', 'size#', 'changed'], rows))
      }
    })
  })

  const cat = command
    .command('cat')
    .description('print a staged file')
    .argument('<path>', 'its path in the program')
    .option(...project)
  cat.action(async (path: string, options) => {
    const session = await openSession(cat, options)
    const { jack, print, signal } = session
    const chunks: Buffer[] = []
    for (let offset: number | null = 0; offset !== null; ) {
      const part: Awaited<ReturnType<typeof jack.files.read>> = await jack.files.read(
        session.project(),
        path,
        { offset, limit: 500_000 },
        { signal },
      )
      chunks.push(bytesOf(part.content))
      offset = part.next_offset
    }
    const content = Buffer.concat(chunks)
    print.answer({ path, size_bytes: content.length, content: contentOf(content) }, () =>
      process.stdout.write(content),
    )
  })

  const rm = command
    .command('rm')
    .description('remove a staged file')
    .argument('[path]', 'its path in the program')
    .option('--all', 'remove everything that is staged')
    .option(...project)
  rm.action(async (path: string | undefined, options) => {
    const session = await openSession(rm, options)
    const { jack, print, signal } = session
    if ((path === undefined) !== (options.all === true)) {
      throw new JackError('usage', 'Name a file, or say --all.')
    }
    const answer = await jack.files.delete(session.project(), path, { signal })
    print.answer(answer, () =>
      print.note(`${answer.count} ${answer.count === 1 ? 'file is' : 'files are'} left.`),
    )
  })
}

type Content = string | { base64: string }

/** Text where it is text, so that people can read what is sent. */
function contentOf(content: Buffer): Content {
  const text = content.toString('utf8')
  return Buffer.from(text).equals(content) ? text : { base64: content.toString('base64') }
}

const bytesOf = (content: Content): Buffer =>
  typeof content === 'string' ? Buffer.from(content) : Buffer.from(content.base64, 'base64')

function pathOf(file: string): string {
  const path = file === '-' ? '' : relative(process.cwd(), file).replaceAll('\\', '/')
  if (path !== '' && !path.startsWith('..')) return path
  throw new JackError(
    'usage',
    `Which path does ${file === '-' ? 'it' : file} have in the program?`,
    {
      hint: 'Say it with --as src/index.ts.',
    },
  )
}

async function read(file: string): Promise<Buffer> {
  if (file === '-') {
    const chunks: Buffer[] = []
    for await (const chunk of process.stdin) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
  const found = await stat(file).catch(() => undefined)
  if (found?.isFile()) return readFile(file)
  throw new JackError('usage', found ? `${file} is a folder.` : `There is no file ${file}.`, {
    hint: found ? '`jack deploy` takes a whole folder.' : undefined,
  })
}
