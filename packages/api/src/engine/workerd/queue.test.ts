import fc from 'fast-check'
import { expect, it } from 'vitest'
import { FairQueue } from './queue.ts'

const idle = () => 0

it('takes accounts in turn, however much one of them asks for', () => {
  const queue = new FairQueue<string>({ total: 100, perAccount: 50 })
  for (let i = 0; i < 50; i++) queue.push('greedy', `greedy ${i}`)
  queue.push('modest', 'modest 0')
  const order = [0, 1, 2].map(() => queue.take(queue.next(idle) as string))
  expect(order).toEqual(['greedy 0', 'modest 0', 'greedy 1'])
})

it('refuses what is over the limit of all or of one account', () => {
  const queue = new FairQueue<number>({ total: 3, perAccount: 2 })
  expect([queue.push('a', 1), queue.push('a', 2), queue.push('a', 3)]).toEqual([true, true, false])
  expect([queue.push('b', 1), queue.push('b', 2)]).toEqual([true, false])
})

it('prefers the account that uses the fewest processes, then the one that has one already', () => {
  const queue = new FairQueue<number>({ total: 9, perAccount: 9 })
  for (const account of ['a', 'b', 'c']) queue.push(account, 1)
  const using = (account: string) => ({ a: 2, b: 1, c: 1 })[account] ?? 0
  expect(queue.next(using)).toBe('b')
  expect(queue.next(using, 'c')).toBe('c')
})

it('lets nobody wait for more than one job of each other account, and loses no job', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 60 }), (arrivals) => {
      const queue = new FairQueue<number>({ total: 1000, perAccount: 1000 })
      for (const [i, account] of arrivals.entries()) queue.push(account, i)
      const served: string[] = []
      const jobs: number[] = []
      for (let account = queue.next(idle); account; account = queue.next(idle)) {
        served.push(account)
        jobs.push(queue.take(account) as number)
      }
      expect(jobs.toSorted((a, b) => a - b)).toEqual(arrivals.map((_, i) => i))
      for (const account of new Set(arrivals)) {
        const turns = served.flatMap((name, i) => (name === account ? [i] : []))
        for (let i = 1; i < turns.length; i++) {
          const between = served.slice((turns[i - 1] as number) + 1, turns[i])
          expect(new Set(between).size).toBe(between.length)
        }
      }
    }),
  )
})
