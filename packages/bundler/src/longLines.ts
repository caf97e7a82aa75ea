import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { BundleError } from './BundleError.ts'
import { tooNested } from './service.ts'

/**
 * The bytes that esbuild may have to send when every few characters of a file are a mistake: each
 * message carries its whole line.
 */
const maxMessageBytes = 50_000_000
const maxDepth = 20_000

/** Brackets that are open at once, wherever they stand; far above what any program has. */
export function isNestedTooDeeply(code: string): boolean {
  let depth = 0
  for (let index = 0; index < code.length; index++) {
    const character = code.charCodeAt(index)
    if (character === 40 || character === 91 || character === 123) {
      if (++depth > maxDepth) return true
    } else if (character === 41 || character === 93 || character === 125) depth--
  }
  return false
}

/** Whether mistakes in the file could produce messages of hundreds of megabytes. */
export function hasRiskyLines(code: string): boolean {
  let total = 0
  for (let start = 0; start < code.length; ) {
    const found = code.indexOf('\n', start)
    const end = found < 0 ? code.length : found
    total += ((end - start) * (end - start)) / 4
    if (total > maxMessageBytes) return true
    start = end + 1
  }
  return false
}

/**
 * The same program in short lines, with a source map to the original inside. Made by an esbuild
 * process of its own that reports the first mistake only, and that may die without harm.
 */
export async function inShortLines(path: string, code: string, loader: string): Promise<string> {
  const options = [
    `--loader=${loader}`,
    `--sourcefile=${path}`,
    '--log-limit=1',
    '--log-level=error',
    '--color=false',
    '--line-limit=200',
    '--sourcemap=inline',
    '--sources-content=true',
    '--charset=utf8',
    '--jsx=preserve',
    '--target=esnext',
    '--tsconfig-raw={"compilerOptions":{"verbatimModuleSyntax":true}}',
  ]
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const child = execFile(
    binary(),
    options,
    { maxBuffer: 64_000_000, timeout: 5_000, env: {}, cwd: '/' },
    (error, stdout, stderr) => {
      if (!error) resolve(stdout)
      else reject(error.killed ? tooSlow(path) : firstMistake(path, stderr))
    },
  )
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(code)
  return promise
}

function firstMistake(path: string, stderr: string): BundleError {
  const found = /\[ERROR\] (.*)\n\n\s+.*?:(\d+):(\d+):/.exec(stderr.slice(0, 2_000_000))
  if (!found) return tooNested(path)
  const [, text = '', line, column] = found
  const diagnostic = { text, file: path, line: Number(line), column: Number(column) + 1 }
  return new BundleError(
    'bundle_failed',
    `${path}:${diagnostic.line}:${diagnostic.column}: ${text}`,
    undefined,
    [diagnostic],
  )
}

function tooSlow(path: string): BundleError {
  return new BundleError(
    'bundle_failed',
    `${path} takes too long to compile.`,
    'Split it into lines and files.',
    [{ text: 'The file takes too long to compile.', file: path }],
  )
}

function binary(): string {
  const inEsbuild = createRequire(createRequire(import.meta.url).resolve('esbuild'))
  const file = process.platform === 'win32' ? 'esbuild.exe' : 'bin/esbuild'
  return inEsbuild.resolve(`@esbuild/${process.platform}-${process.arch}/${file}`)
}
