import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { JackError } from '@jackcloud/sdk'
import { createPrint, paint } from '../print.ts'
import { changed } from './clientFile.ts'
import { clients, entryOf, type McpClient, type ServerEntry, thisMachine } from './clients.ts'

interface Options {
  /** Of `jack mcp`, to be written down with it. */
  options: string[]
  dryRun: boolean
  json: boolean
}

/** Tells a client of the server; without a client, tells the person what to write down. */
export function install(id: string | undefined, { options, dryRun, json }: Options): void {
  const machine = thisMachine()
  const print = createPrint({ json, verbose: false })
  if (id === undefined) {
    const config = { mcpServers: { jack: entryOf(false, options, machine) } }
    print.answer({ ...config, clients: clients.map((it) => it.id) }, () => {
      print.out(JSON.stringify(config, null, 2))
      print.note('\nThat is what most clients take. For these, it is written down by itself:')
      for (const it of clients) {
        const there = existsSync(dirname(it.file(machine)))
        const line = `  jack mcp install ${it.id.padEnd(14)} ${it.file(machine)}`
        print.note(there ? line : paint('dim', line))
      }
    })
    return
  }
  const client = clientOf(id)
  change(client, entryOf(client.typed ?? false, options, machine), { dryRun, json })
}

/** Takes the server out of a client's file. */
export function uninstall(id: string, options: Omit<Options, 'options'>): void {
  change(clientOf(id), null, options)
}

function change(
  client: McpClient,
  entry: ServerEntry | null,
  { dryRun, json }: Omit<Options, 'options'>,
): void {
  const print = createPrint({ json, verbose: false })
  const named = client.file(thisMachine())
  // A file that is kept elsewhere and linked stays so.
  const file = existsSync(named) ? realpathSync(named) : named
  const before = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const after = inFile(file, () => changed(before, client, entry))
  const isChanged = after !== before
  if (isChanged && !dryRun) replace(file, after)
  const answer = { client: client.id, file, changed: isChanged, dry_run: dryRun, entry }
  print.answer(answer, () => {
    if (!isChanged) {
      print.note(
        entry ? `${client.name} has it already: ${file}` : `${client.name} does not have it.`,
      )
    } else if (dryRun) {
      print.out(`${file}\n${difference(before, after)}`)
      print.note('Nothing was changed.')
    } else {
      print.note(`${paint('green', entry ? 'Added to' : 'Removed from')} ${file}`)
      print.note(paint('dim', `${client.name}: ${client.reload}`))
    }
  })
}

function clientOf(id: string): McpClient {
  const client = clients.find((it) => it.id === id)
  if (client) return client
  throw new JackError('usage', `There is no client "${id}".`, {
    hint: `There are: ${clients.map((it) => it.id).join(', ')}.`,
    next: [{ command: 'jack mcp install', when: 'to see what other clients need' }],
  })
}

/** An error about a file says which. */
function inFile<T>(file: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof JackError)) throw error
    const { code, hint, next } = error
    throw new JackError(code, `${file}: ${error.message}`, { hint, next })
  }
}

/** Writes it whole or not at all, as visible to others as it was. */
function replace(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  const draft = `${file}.${process.pid}.tmp`
  try {
    const mode = existsSync(file) ? statSync(file).mode & 0o777 : 0o600
    writeFileSync(draft, text, { mode })
    chmodSync(draft, mode)
    renameSync(draft, file)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}

/** The lines that go and those that come, between what both have. */
export function difference(before: string, after: string): string {
  const [old, now] = [before.split('\n'), after.split('\n')]
  let from = 0
  while (from < Math.min(old.length, now.length) && old[from] === now[from]) from++
  let last = 0
  const most = Math.min(old.length, now.length) - from
  while (last < most && old.at(-1 - last) === now.at(-1 - last)) last++
  const part = (lines: string[], sign: string) =>
    lines.slice(from, lines.length - last).map((line) => `${sign} ${line}`)
  return [...part(old, '-'), ...part(now, '+')].join('\n')
}
