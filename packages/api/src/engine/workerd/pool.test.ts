import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Pool, type Pooled } from './pool.ts'

interface Fake extends Pooled {
  served: string[]
}

/** A pool of processes that only remember whom they served. */
function fakePool(reuse: 'account' | 'never', size: number, maxUses: number, failFirst = 0) {
  const all: Fake[] = []
  const failures: unknown[] = []
  let toFail = failFirst
  const pool = new Pool<Fake>({
    size,
    reuse,
    maxUses,
    queue: 1000,
    queuePerAccount: 1000,
    bindMs: 20,
    start: async () => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      if (all.length >= size && toFail-- > 0) throw new Error('does not start')
      let end = () => {}
      const exited = new Promise<void>((resolve) => {
        end = resolve
      })
      const kill = () => {
        fake.dead = true
        end()
      }
      const fake: Fake = { dead: false, exited, kill, served: [] }
      all.push(fake)
      return fake
    },
    failed: (error) => failures.push(error),
  })
  const run = (account: string) =>
    pool.run(account, undefined, async (process) => {
      process.served.push(account)
      await new Promise((resolve) => setTimeout(resolve, 1))
    })
  return { pool, all, failures, run }
}

it('never lets a process serve two accounts, or more often than it may', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 25 }),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom('account' as const, 'never' as const),
      async (accounts, size, reuse) => {
        const { pool, all, run } = fakePool(reuse, size, 3)
        await pool.start()
        await Promise.all(accounts.map(run))
        await pool.close()
        for (const { served } of all) {
          expect(new Set(served).size).toBeLessThan(2)
          expect(served.length).toBeLessThanOrEqual(reuse === 'never' ? 1 : 3)
        }
        expect(all.flatMap(({ served }) => served).sort()).toEqual(accounts.toSorted())
      },
    ),
    { numRuns: 40 },
  )
})

it('replaces a process that idles with one account, so that the next account finds a warm one', async () => {
  const { pool, all, run } = fakePool('account', 1, 100)
  await pool.start()
  await run('a')
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect(all.map(({ dead, served }) => ({ dead, served }))).toEqual([
    { dead: true, served: ['a'] },
    { dead: false, served: [] },
  ])
  await pool.close()
})

it('tries again, ever more slowly, when processes do not start', async () => {
  const { pool, failures, run } = fakePool('never', 1, 1, 2)
  await pool.start()
  const startedAt = performance.now()
  await run('a')
  await run('a')
  expect(failures).toHaveLength(2)
  expect(performance.now() - startedAt).toBeGreaterThan(250)
  await pool.close()
})

it('forgets who stops waiting', async () => {
  const { pool, all, run } = fakePool('never', 1, 1)
  await pool.start()
  const gone = new AbortController()
  const first = run('a')
  const second = pool.run('a', gone.signal, async () => 'never')
  gone.abort(new Error('gone'))
  await expect(second).rejects.toThrow('gone')
  await first
  await run('b')
  expect(all.flatMap(({ served }) => served)).toEqual(['a', 'b'])
  await pool.close()
})
