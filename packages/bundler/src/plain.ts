import { parse } from 'acorn'
import { hasRiskyLines } from './longLines.ts'
import { needsBundling } from './simple.ts'

const maxSize = 20_000

/** `call<Type>(x)` is also a comparison in JavaScript, and the author meant the call. */
const typeArguments = /[\w$)\]]\s*<[^=;]*>\s*[(`]/

/**
 * Whether a file is a whole program of plain JavaScript: it imports nothing, and every one of its characters means the
 * same without a compiler. The parser is ten times as fast as asking one.
 */
export function isPlain(path: string, code: string): boolean {
  if (!/\.m?[jt]s$/.test(path) || code.length > maxSize) return false
  if (needsBundling.test(code) || !/\bexport\b/.test(code) || typeArguments.test(code)) return false
  if (hasRiskyLines(code)) return false
  try {
    parse(code, { ecmaVersion: 'latest', sourceType: 'module' })
    return true
  } catch {
    // Types, JSX, or a mistake: the compiler knows.
    return false
  }
}
