import type { Message } from 'esbuild'
import type { Diagnostic } from './BundleError.ts'

const maxLine = 300
/** More than anybody reads; a hostile program can have tens of thousands. */
const maxMessages = 100

/** esbuild's messages as ours: own paths, columns from 1, and what to do about the usual causes. */
export function diagnose(messages: Message[], folder: string | undefined): Diagnostic[] {
  const seen = new Set<string>()
  return messages.slice(0, maxMessages).flatMap((message) => {
    const diagnostic = toDiagnostic(message, folder)
    const key = JSON.stringify([
      diagnostic.text,
      diagnostic.file,
      diagnostic.line,
      diagnostic.column,
    ])
    if (seen.has(key)) return []
    seen.add(key)
    return [diagnostic]
  })
}

/** The path as the author knows it: without the names that the bundler gives to its sources. */
function ownPath(path: string): string {
  return path.replace(/^files:/, '').replace(/\?raw$/, '')
}

/** A path of a bundle's input that says the same wherever the folder lies. */
export function portablePath(path: string): string {
  const installed = path.lastIndexOf('node_modules/')
  return installed > 0 ? path.slice(installed) : ownPath(path)
}

function toDiagnostic(
  { text, location, notes, detail }: Message,
  folder: string | undefined,
): Diagnostic {
  const diagnostic: Diagnostic = { text: clean(text, folder) }
  if (location) {
    diagnostic.file = ownPath(location.file)
    diagnostic.line = location.line
    diagnostic.column = charactersIn(location.lineText, location.column) + 1
    diagnostic.lineText =
      location.lineText.length > maxLine
        ? `${location.lineText.slice(0, maxLine)}...`
        : location.lineText
  }
  const hint =
    ownHint(detail) ?? usualHint(text, diagnostic.file) ?? location?.suggestion ?? notes[0]?.text
  if (hint) diagnostic.hint = clean(hint, folder)
  return diagnostic
}

function ownHint(detail: unknown): string | undefined {
  const hint =
    typeof detail === 'object' && detail !== null ? (detail as { hint?: unknown }).hint : undefined
  return typeof hint === 'string' && hint !== '' ? hint : undefined
}

const usual: [RegExp, string | ((file: string) => string | undefined)][] = [
  [
    /JSX syntax extension is not currently enabled/,
    (file) => `Rename ${file} to ${file.replace(/\.[cm]?js$/, '.jsx')}.`,
  ],
  [
    /^Expected ">" but found|^Unterminated regular expression|^Expected identifier but found "\/"/,
    (file) =>
      /\.[cm]?ts$/.test(file)
        ? `If this is JSX, rename ${file} to ${file.replace(/\.[cm]?ts$/, '.tsx')}.`
        : undefined,
  ],
  [
    /Top-level return/i,
    'A module has no return at its top: export a function, for example export default { fetch }.',
  ],
  [/top-level await/i, 'Load the module with import instead of require.'],
  [/^Could not resolve "\.{1,2}\//, 'The file is missing, or its name is spelled differently.'],
  [
    /^Could not resolve "[^."]/,
    'Install the package; if it is installed, see its own documentation for its import paths.',
  ],
  [
    /No loader is configured/,
    'Import it as text: import it from "./file" with { type: "text" }, or serve it as a static asset.',
  ],
  [/No matching export/, 'See what the other module exports, or import its default export.'],
  [
    /^Unexpected "\}"|^Unexpected end of file|^Expected "\}" but found end of file/,
    'A bracket is missing or there is one too many.',
  ],
  [/"await" can only be used inside an "async" function/, 'Write async before the function.'],
]

function usualHint(text: string, file: string | undefined): string | undefined {
  for (const [pattern, hint] of usual) {
    if (!pattern.test(text)) continue
    return typeof hint === 'string' ? hint : file === undefined ? undefined : hint(file)
  }
  return undefined
}

/** Without the names of our sources, and without where the folder lies on this machine. */
function clean(text: string, folder: string | undefined): string {
  const own = text.replaceAll('files:', '')
  return folder === undefined ? own : own.replaceAll(`${folder}/`, '').replaceAll(folder, '.')
}

function charactersIn(line: string, bytes: number): number {
  return Buffer.from(line).subarray(0, bytes).toString().length
}
