import { execFile } from 'node:child_process'
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fileStore } from './fileStore.ts'

const run = promisify(execFile)
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'jack-wallet-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const read = (store = fileStore({ folder })) => store.update('0xa', (text) => ({ result: text }))
const write = (text: string, store = fileStore({ folder })) =>
  store.update('0xa', () => ({ text, result: undefined }))

test('what one program keeps another one finds, each wallet by itself', async () => {
  expect(await read()).toBeUndefined()
  await write('one')
  expect(await read()).toBe('one')
  expect(await fileStore({ folder }).update('0xb', (text) => ({ result: text }))).toBeUndefined()
})

test('a change that fails changes nothing', async () => {
  const store = fileStore({ folder })
  await write('one', store)
  const failing = store.update('0xa', () => {
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  await write(`${await read(store)} two`, store)
  expect(await read()).toBe('one two')
})

test('nobody else can read it', async () => {
  await write('one')
  expect(statSync(join(folder, '0xa')).mode & 0o777).toBe(0o700)
  for (const file of readdirSync(join(folder, '0xa'))) {
    expect(statSync(join(folder, '0xa', file)).mode & 0o777).toBe(0o600)
  }
})

test('a place that can hold nothing is named, and nothing is paid', async () => {
  const store = fileStore({ folder: '/dev/null/x' })
  await expect(write('one', store)).rejects.toMatchObject({
    code: 'unavailable',
    hint: expect.stringContaining('/dev/null/x/0xa'),
  })
})

test('a name that leads elsewhere is refused', async () => {
  const store = fileStore({ folder })
  await expect(store.update('../x', () => ({ result: 1 }))).rejects.toThrow(RangeError)
})

const worker = (body: string) => `
  import { fileStore } from ${JSON.stringify(new URL('fileStore.ts', import.meta.url).href)}
  const store = fileStore({ folder: ${JSON.stringify(folder)} })
  const add = () => store.update('0xa', (text) => {
    const next = Number(text ?? 0) + 1
    return { text: String(next), result: next }
  })
  ${body}
`
const start = (body: string) =>
  run(process.execPath, ['--conditions=jack:src', '--input-type=module', '-e', worker(body)])

test('eight programs at once count without losing or doubling a number', async () => {
  const body = `
    const mine = []
    for (let n = 0; n < 10; n++) mine.push(...await Promise.all([add(), add(), add(), add(), add()]))
    console.log(JSON.stringify(mine))
  `
  const programs = await Promise.all(Array.from({ length: 8 }, () => start(body)))
  const numbers = programs.flatMap(({ stdout }) => JSON.parse(stdout) as number[])
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 400 }, (_, n) => n + 1))
  expect(programs.map(({ stderr }) => stderr).join('')).toBe('')
})

test('a program that is killed while it changes something leaves it whole, and nobody waits for its lock', async () => {
  await write('1')
  for (let n = 0; n < 3; n++) {
    const before = Number(await read())
    // In the middle of a transaction, with the lock.
    const held = start(`await store.update('0xa', () => process.kill(process.pid, 'SIGKILL'))`)
    await expect(held).rejects.toMatchObject({ signal: 'SIGKILL' })
    expect(await read()).toBe(String(before))

    const program = start('for (;;) await add()')
    await expect
      .poll(async () => Number(await read()), { timeout: 20_000 })
      .toBeGreaterThan(before + 50)
    program.child.kill('SIGKILL')
    await expect(program).rejects.toMatchObject({ signal: 'SIGKILL' })
    const after = Number(await read())
    await write(String(after + 1))
    expect(await read()).toBe(String(after + 1))
  }
})

test('a file that is damaged is set aside and told of, and its text is handed out as damaged', async () => {
  const path = join(folder, '0xa', 'wallet.db')
  const whole = async () => {
    rmSync(join(folder, '0xa'), { recursive: true, force: true })
    await write('x'.repeat(10_000))
    return readFileSync(path).byteLength
  }
  const size = await whole()
  const damages: [string, () => void][] = [
    ['empty', () => truncateSync(path, 0)],
    ['short', () => truncateSync(path, 100)],
    ['cut', () => truncateSync(path, Math.floor(size / 2))],
    ['cut at its last page', () => truncateSync(path, size - 1)],
    ['garbage', () => writeFileSync(path, 'garbage'.repeat(1_000))],
    ['another database', () => writeFileSync(path, '')],
  ]
  for (const [name, damage] of damages) {
    await whole()
    damage()
    const told: string[] = []
    const store = fileStore({ folder, onDamage: (sentence) => told.push(sentence) })
    expect(await read(store), name).toBe('')
    expect(told, name).toHaveLength(1)
    expect(
      readdirSync(join(folder, '0xa')).filter((it) => it.includes('damaged')),
      name,
    ).toHaveLength(1)
    await write('new', store)
    expect(await read(), name).toBe('new')
  }
  // Whatever stands behind the end of the database is none of it.
  await write('1')
  appendFileSync(path, 'more')
  expect(await read()).toBe('1')
})

test('a file that is damaged while a program has it open is noticed', async () => {
  const told: string[] = []
  const store = fileStore({ folder, onDamage: (sentence) => told.push(sentence) })
  await write('one', store)
  truncateSync(join(folder, '0xa', 'wallet.db'), 0)
  expect(await read(store)).toBe('')
  expect(told).toHaveLength(1)
})

test('a folder that is deleted is a new beginning, also for who has it open', async () => {
  const store = fileStore({ folder })
  await write('one', store)
  rmSync(join(folder, '0xa'), { recursive: true })
  expect(await read(store)).toBeUndefined()
  await write('two', store)
  expect(await read()).toBe('two')
})
