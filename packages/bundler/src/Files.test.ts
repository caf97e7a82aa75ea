import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BundleError } from './BundleError.ts'
import { checkFiles, checkPath, pathProblem } from './Files.ts'
import { defaultLimits } from './Limits.ts'
import { joinPath } from './packageExports.ts'

const codeOf = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    if (error instanceof BundleError) return error.code
    throw error
  }
  return 'accepted'
}

describe('paths of a file set', () => {
  test.each([
    ['../secret', 'has a ".." segment'],
    ['a/../../b', 'has a ".." segment'],
    ['./a', 'has a "." segment'],
    ['/etc/passwd', 'is absolute'],
    ['C:/windows', 'starts with a drive letter'],
    ['a\\b', 'contains a backslash'],
    ['a\0b', 'contains a control character'],
    ['a//b', 'has an empty segment'],
    ['a/', 'has an empty segment'],
    ['', 'is empty'],
    ['__proto__', 'has a "__proto__" segment'],
    ['a/__proto__/b', 'has a "__proto__" segment'],
    ['\ud800', 'is not valid Unicode'],
  ])('%j is refused: it %s', (path, reason) => {
    expect(pathProblem(path)).toBe(reason)
    expect(codeOf(() => checkPath(path))).toBe('invalid_request')
  })

  test('an accepted path never leads out of its folder, whatever it is made of', () => {
    const piece = fc.constantFrom(
      'a',
      '..',
      '.',
      '/',
      '\\',
      'C:',
      '\0',
      '',
      ' ',
      'é',
      '__proto__',
      '~',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((pieces) => pieces.join('')),
        ),
        (path) => {
          if (pathProblem(path) !== undefined) return
          expect(joinPath('', path)).toBe(path)
        },
      ),
    )
  })

  test('joining either stays inside or says that it does not', () => {
    const segment = fc.constantFrom('..', '.', 'a', 'b', '')
    fc.assert(
      fc.property(fc.array(segment), fc.array(segment), (folder, path) => {
        const start = folder.filter((name) => name === 'a' || name === 'b').join('/')
        const joined = joinPath(start, path.join('/'))
        if (joined !== undefined) expect(joined.split('/')).not.toContain('..')
      }),
    )
  })
})

describe('file sets', () => {
  test('names that differ only by case or by Unicode form collide', () => {
    expect(codeOf(() => checkFiles({ 'A.ts': '', 'a.ts': '' }, defaultLimits))).toBe(
      'invalid_request',
    )
    expect(
      codeOf(() => checkFiles({ 'caf\u00e9.ts': '', 'cafe\u0301.ts': '' }, defaultLimits)),
    ).toBe('invalid_request')
  })

  test('a file cannot be a folder too', () => {
    expect(codeOf(() => checkFiles({ a: '', 'a/b': '' }, defaultLimits))).toBe('invalid_request')
  })

  test('content is text or bytes', () => {
    expect(codeOf(() => checkFiles({ 'a.ts': 1 as unknown as string }, defaultLimits))).toBe(
      'invalid_request',
    )
  })

  test('an empty set is missing files, and ten thousand are too many', () => {
    expect(codeOf(() => checkFiles({}, defaultLimits))).toBe('missing_files')
    const many = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, index) => [`f${index}.ts`, '']),
    )
    expect(codeOf(() => checkFiles(many, defaultLimits))).toBe('code_too_large')
  })
})
