import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addUsage, type Batch, costNanoUsd, noUsage, type Usage } from '../Usage.ts'
import { Meter } from './meter.ts'

const now = () => new Date('2026-11-21T07:00:30Z')

function counting(store: (batch: Batch) => Promise<void> = async () => {}) {
  const stored: Batch[] = []
  const meter = new Meter(
    'server',
    async (batch) => {
      stored.push(batch)
      await store(batch)
    },
    now,
  )
  const sum = (projectId: string): Usage =>
    stored.reduce((sum, it) => addUsage(sum, it.counted.get(projectId) ?? noUsage), noUsage)
  return { meter, stored, sum }
}

test('everything that is counted is handed over once, per project', async () => {
  const { meter, stored } = counting()
  meter.request('one', { failed: false, durationMs: 1 })
  meter.request('one', { failed: true, durationMs: null })
  meter.cpu('one', 1.5)
  meter.rows('two', { read: 3, written: 2 })
  meter.egress('two', { requests: 1, bytes: 500 })
  await meter.flush()
  await meter.flush()
  expect(stored).toEqual([
    {
      server: 'server',
      number: 1,
      at: now(),
      counted: new Map([
        [
          'one',
          {
            ...noUsage,
            requests: 2,
            errors: 1,
            cpuUs: 1_500,
            latency: [0, 0, 0, 0, 0, 0, 0, 0, 1],
          },
        ],
        ['two', { ...noUsage, rowsRead: 3, rowsWritten: 2, egressRequests: 1, egressBytes: 500 }],
      ]),
    },
  ])
})

test('a batch whose answer was lost is handed over again as it was, and what came meanwhile after it', async () => {
  let failing = true
  const { meter, stored } = counting(async () => {
    if (failing) throw new Error('the answer got lost')
  })
  meter.request('one', { failed: false, durationMs: 1 })
  await expect(meter.flush()).rejects.toThrow('lost')
  meter.request('one', { failed: true, durationMs: 1 })
  await expect(meter.flush()).rejects.toThrow('lost')
  failing = false
  await meter.flush()
  expect(stored.map((it) => [it.number, it.counted.get('one')?.errors])).toEqual([
    [1, 0],
    [1, 0],
    [1, 0],
    [2, 1],
  ])
})

test('CPU that comes in any pieces adds up to the last step, and never to more than there was', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 20_000 })), async (pieces) => {
      const { meter, sum } = counting()
      for (const us of pieces) {
        meter.cpu('one', us / 1_000)
        if (us % 3 === 0) await meter.flush()
      }
      await meter.flush()
      const used = pieces.reduce((a, b) => a + b, 0)
      const { cpuUs } = sum('one')
      expect(cpuUs % 10).toBe(0)
      expect(cpuUs).toBeLessThanOrEqual(used)
      // A float of milliseconds may be a microsecond short.
      expect(used - cpuUs).toBeLessThan(10 + pieces.length)
      expect(costNanoUsd(sum('one'))).toBe(BigInt(cpuUs / 10) * 125n)
    }),
  )
})

test('counts that cannot be are not counted', async () => {
  const { meter, sum } = counting()
  meter.rows('one', { read: -5, written: Number.NaN })
  meter.egress('one', { requests: 0.5, bytes: Number.POSITIVE_INFINITY })
  meter.cpu('one', -1)
  await meter.flush()
  expect(sum('one')).toEqual({ ...noUsage, egressBytes: 1_000_000_000_000 })
})
