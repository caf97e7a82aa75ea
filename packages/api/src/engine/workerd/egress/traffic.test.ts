import { EventEmitter } from 'node:events'
import { expect, it } from 'vitest'
import { Traffic } from './traffic.ts'

const limits = { connections: 2, waiting: 1, requestsPerSecond: 10, burst: 5 }

it('lets so many run, as many more wait, and refuses the rest', async () => {
  const traffic = new Traffic(limits, () => 0)
  const asker = new EventEmitter()
  const leave = await traffic.enter(asker)
  await traffic.enter(asker)
  let third = false
  const waiting = traffic.enter(asker).then((done) => {
    third = true
    return done
  })
  await expect(traffic.enter(asker)).rejects.toMatchObject({ status: 429, kind: 'limited' })
  expect(third).toBe(false)
  leave()
  leave()
  const done = await waiting
  expect(third).toBe(true)
  done()
  await traffic.enter(asker)
})

it('gives no place to one that left while it waited', async () => {
  const traffic = new Traffic({ ...limits, connections: 1 }, () => 0)
  const leave = await traffic.enter(new EventEmitter())
  const gone = new EventEmitter()
  let entered = false
  void traffic.enter(gone).then(() => {
    entered = true
  })
  gone.emit('close')
  const next = traffic.enter(new EventEmitter())
  leave()
  await next
  expect(entered).toBe(false)
})

it('refuses what comes faster than allowed, until time passes', async () => {
  let now = 0
  const traffic = new Traffic({ ...limits, connections: 100 }, () => now)
  const asker = new EventEmitter()
  for (let i = 0; i < 5; i++) await traffic.enter(asker)
  await expect(traffic.enter(asker)).rejects.toMatchObject({ status: 429 })
  now = 100
  await traffic.enter(asker)
  await expect(traffic.enter(asker)).rejects.toMatchObject({ status: 429 })
  now = 1e6
  for (let i = 0; i < 5; i++) await traffic.enter(asker)
  await expect(traffic.enter(asker)).rejects.toMatchObject({ status: 429 })
})
