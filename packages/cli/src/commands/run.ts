import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Bundle } from '@jackcloud/bundler'
import { type Input, JackError, limits } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { readStdin } from '../ask.ts'
import { milliseconds } from '../duration.ts'
import { type Print, paint, plain, took, usd } from '../print.ts'
import { openSession } from '../session.ts'
import { mapStack } from '../stack.ts'

type Program = Pick<Input<'execute'>, 'code' | 'files' | 'entry'>

export default (command: Command) =>
  command
    .argument('<file|->', 'a file, a folder, or - for stdin; it exports run(input)')
    .option('-i, --input <json>', 'what run gets; @file reads it from a file')
    .option('-t, --timeout <time>', 'stop it after 500ms, 5s ...', milliseconds)
    .option('--dry-run', 'say what it would cost')
    .action(
      async (file: string, options: { input?: string; timeout?: number; dryRun?: boolean }) => {
        const session = await openSession(command)
        const { jack, print, signal } = session
        const input = options.input === undefined ? {} : { input: parseInput(options.input) }
        const { sourceMap, ...program } =
          file === '-'
            ? { code: await readStdin(), sourceMap: undefined }
            : await print.while('Bundling', bundled(print, file))
        if (program.code?.trim() === '') {
          throw new JackError('usage', 'There is no program in it.', {
            hint: "It exports run(input): echo 'export const run = () => 42' | jack run -",
          })
        }
        const request = {
          ...program,
          ...input,
          ...(options.timeout !== undefined && { timeout_ms: options.timeout }),
        }
        if (options.dryRun) {
          const quoted = await print.while('Asking for the price', jack.quote(request, { signal }))
          print.answer(quoted, () => print.out(`${usd(quoted.price_usd)} for one run.`))
          return
        }
        try {
          const answer = await print.while('Running', jack.execute(request, { signal }))
          print.answer(answer, () => {
            sayLogs(print, answer.logs)
            const { result } = answer
            print.out(typeof result === 'string' ? result : JSON.stringify(result, null, 2))
            const time = `${took(answer.duration_ms)}, ${took(answer.cpu_ms)} of CPU`
            print.note(paint('dim', `${time}, ${usd(answer.charged_usd)} charged`))
          })
        } catch (error) {
          if (!(error instanceof JackError)) throw error
          const { logs, stack } = error.fields
          if (Array.isArray(logs)) sayLogs(print, logs)
          if (typeof stack === 'string' && sourceMap && !print.json) {
            error.fields.stack = mapStack(stack, sourceMap)
          }
          throw error
        }
      },
    )

const colours = { debug: 'gray', info: 'blue', log: 'white', warn: 'yellow', error: 'red' } as const

function sayLogs(print: Print, logs: { level: string; message: string }[]): void {
  for (const { level, message } of logs) {
    print.note(
      `${paint(colours[level as keyof typeof colours] ?? 'white', level.padEnd(5))} ${plain(message)}`,
    )
  }
}

function parseInput(text: string): unknown {
  const json = text.startsWith('@') ? readFileSync(text.slice(1), 'utf8') : text
  try {
    return JSON.parse(json)
  } catch (error) {
    throw new JackError('usage', `The input is not JSON: ${(error as Error).message}.`, {
      hint: `Quote it for your shell, such as --input '{"a":1}'.`,
    })
  }
}

/** Bundled here, so that the packages of the folder are found. */
async function bundled(
  print: Print,
  path: string,
): Promise<Program & { sourceMap: string | undefined }> {
  if (!existsSync(path)) {
    throw new JackError('usage', `There is no file ${path}.`, {
      hint: 'Name a file, a folder, or - for stdin.',
    })
  }
  const full = resolve(path)
  const isFolder = statSync(full).isDirectory()
  const folder = isFolder ? full : packageFolder(full)
  const options = isFolder ? {} : { entry: entryIn(folder, full) }
  const { bundle } = await import('@jackcloud/bundler')
  // Readable, so that a stack is; a program that would be too large that way is minified.
  let made = await bundle(folder, { ...options, minify: false })
  if (made.sizeBytes > limits.sourceBytes) made = await bundle(folder, options)
  for (const { text, hint } of made.warnings) print.warn(hint ? `${text} ${hint}` : text)
  return programOf(made)
}

/** The nearest folder with a package.json, so that imports from above the file's own folder are part of the program. */
function packageFolder(file: string): string {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (folder === dirname(folder)) return dirname(file)
  }
}

const entryIn = (folder: string, file: string): string =>
  folder === dirname(file) ? basename(file) : file.slice(folder.length + 1).replaceAll('\\', '/')

function programOf({
  main,
  modules,
  sourceMap,
}: Bundle): Program & { sourceMap: string | undefined } {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8')
  if (modules.length === 1 && modules[0]) return { code: text(modules[0].bytes), sourceMap }
  return {
    sourceMap: undefined,
    entry: main,
    files: Object.fromEntries(
      modules.map(({ name, type, bytes }) => [
        name,
        type === 'esm' ? text(bytes) : { base64: Buffer.from(bytes).toString('base64') },
      ]),
    ),
  }
}
