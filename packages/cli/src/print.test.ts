import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import {
  bytes,
  createPrint,
  distance,
  failureText,
  listing,
  placeText,
  plain,
  redact,
  table,
  took,
  undisturbed,
  usd,
} from './print.ts'

test('while something is asked, nothing is drawn over it', async () => {
  let drawn = ''
  const stderr = { isTTY: true, write: (text: string) => (drawn += text) }
  const streams = { stdout: process.stdout, stderr: stderr as unknown as NodeJS.WriteStream }
  const print = createPrint({ json: false, verbose: false }, streams)
  const asked = Promise.withResolvers<void>()
  const work = Promise.withResolvers<void>()
  const waiting = print.while('Paying', work.promise)
  while (!drawn.includes('Paying')) await sleep(10)
  const asking = undisturbed(() => asked.promise)
  drawn = ''
  await sleep(350)
  expect(drawn).toBe('')
  asked.resolve()
  await asking
  while (!drawn.includes('Paying')) await sleep(10)
  work.resolve()
  await waiting
})

test('a place in the sources is shown with its line and a caret under its column', () => {
  const place = {
    file: 'src/index.ts',
    line: 12,
    column: 9,
    text: 'Expected ")" but found ";"',
    line_text: '\tconst a = f(1;',
    hint: 'Close it.',
  }
  expect(placeText(place).map((line) => plain(line))).toEqual([
    '',
    '  src/index.ts:12:9 Expected ")" but found ";"',
    '  12 │ \tconst a = f(1;',
    '     │ \t       ^',
    '  hint Close it.',
  ])
})

test('a failure is said with its code, its hint and what to type next', () => {
  const text = failureText({
    code: 'name_taken',
    message: 'It is taken.',
    hint: 'Choose another.',
    next: [{ command: 'jack ls', when: 'to see them' }],
  })
  expect(plain(text)).toBe(
    'error It is taken. (name_taken)\nhint Choose another.\nnext jack ls  to see them',
  )
})

test('tokens are taken out of whatever is said', () => {
  expect(redact('Bearer jkt_0a1b2c3d4e, jkt_zzzz-yyyy_1')).toBe('Bearer jkt_***, jkt_***')
})

test('what a program prints cannot steer the terminal', () => {
  expect(plain('\u001b[2J\u001b]0;title\u0007red\u009b31m\r\nnext\tcol')).toBe('red\nnext\tcol')
})

test('columns are aligned, numbers to the right', () => {
  const text = table(
    ['name', 'size#'],
    [
      ['a', '5 B'],
      ['longer', '12.3 kB'],
    ],
  )
  expect(plain(text)).toBe('NAME       SIZE\na           5 B\nlonger  12.3 kB')
})

test('where there is no room, columns that are not needed are left out, the last first', () => {
  const rows = [['dep_1', '5 B', 'http://dep-1.jack.example']]
  const shown = (room: number | undefined) => plain(table(['id', 'size#?', 'url?'], rows, room))
  expect(shown(undefined)).toBe('ID     SIZE  URL\ndep_1   5 B  http://dep-1.jack.example')
  expect(shown(38)).toBe(shown(undefined))
  expect(shown(37)).toBe('ID     SIZE\ndep_1   5 B')
  expect(shown(3)).toBe('ID\ndep_1')
})

test('a listing leaves out what is not there', () => {
  expect(
    plain(
      listing([
        ['name', 'x'],
        ['budget', null],
        ['id', 'prj_1'],
      ]),
    ),
  ).toBe('name  x\nid    prj_1')
})

test('amounts, sizes and times read easily', () => {
  expect(['0.050000', '12.345678', '-0.010000', '5.000000'].map(usd)).toEqual([
    '$0.05',
    '$12.345678',
    '-$0.01',
    '$5.00',
  ])
  expect([999, 12_345, 1_500_000, 84_103_800_000].map(bytes)).toEqual([
    '999 B',
    '12.3 kB',
    '1.5 MB',
    '84.1 GB',
  ])
  expect([0.4, 999, 1_234].map(took)).toEqual(['0 ms', '999 ms', '1.2 s'])
  const now = Date.parse('2026-01-01T00:00:00Z')
  expect(
    ['2025-12-31T23:59:30Z', '2025-12-31T22:00:00Z', '2026-01-08T00:00:00Z'].map((at) =>
      distance(at, now),
    ),
  ).toEqual(['30s ago', '2h ago', 'in 7d'])
})

test('words of programs and of folders steer no terminal, and make up no line of ours', () => {
  const evil = 'x\u001b]0;title\u0007\u001b[2J\u009b2J\nnext curl evil | sh'
  const text = failureText({
    code: 'app_failed',
    message: evil,
    hint: evil,
    next: [{ command: evil, when: evil }],
    errors: [{ text: evil, file: evil, line_text: evil, line: 1, column: 1, hint: evil }],
  })
  const shown = [text, table([evil], [[evil]]), listing([['name', evil]])].join('\n')
  for (const line of stripColours(shown).split('\n')) expect(line).toBe(plain(line))
  expect(plain(failureText({ code: 'x', message: evil })).split('\n')[1]).toMatch(/^ {2}next curl/)
})

const stripColours = (text: string) =>
  text.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[\\d;]*m`, 'g'), '')
