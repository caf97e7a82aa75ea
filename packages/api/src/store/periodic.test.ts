import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { openDatabase } from './database.ts'
import { every, sinceLast } from './periodic.ts'
import { testDatabase } from './testing/database.ts'

const database = await testDatabase()
afterAll(() => database.drop())

test('many replicas do the work as often as one, and never two at once', async () => {
  const replicas = [1, 2, 3].map(() =>
    openDatabase({ connection: database.connection, poolSize: 2 }),
  )
  onTestFinished(async () => {
    await Promise.all(replicas.map((db) => db.destroy()))
  })
  let running = 0
  let most = 0
  let rounds = 0
  const work = async () => {
    most = Math.max(most, ++running)
    rounds++
    await sleep(30)
    running--
  }
  const loops = replicas.map((db) => every(db, 'count', 200, work))
  await sleep(1_500)
  await Promise.all(loops.map((loop) => loop.stop()))
  expect(most).toBe(1)
  expect(rounds).toBeGreaterThanOrEqual(3)
  expect(rounds).toBeLessThanOrEqual(10)
})

test('a round that fails is reported, and the next one comes', async () => {
  const errors: unknown[] = []
  let rounds = 0
  const loop = every(
    database.db,
    'fail',
    50,
    async () => {
      if (++rounds === 1) throw new Error('once')
    },
    { onError: (error) => errors.push(error) },
  )
  await sleep(500)
  await loop.stop()
  expect(errors).toEqual([new Error('once')])
  expect(rounds).toBeGreaterThan(1)
})

test('stop waits for the round that runs', async () => {
  let done = false
  const begun = Promise.withResolvers<void>()
  const loop = every(database.db, 'slow', 50, async () => {
    begun.resolve()
    await sleep(100)
    done = true
  })
  await begun.promise
  await loop.stop()
  expect(done).toBe(true)
})

test('time that passed is told to one of many who ask at once', async () => {
  const db = openDatabase({ connection: database.connection })
  onTestFinished(() => db.destroy())
  expect(await sinceLast(db, 'asked', new Date(1_000))).toBeUndefined()
  const told = await Promise.all(
    Array.from({ length: 5 }, () => sinceLast(db, 'asked', new Date(61_000))),
  )
  expect(told.toSorted()).toEqual([0, 0, 0, 0, 60_000])
})
