import fc from 'fast-check'
import { expect, test } from 'vitest'
import { events } from './events.ts'

const read = (text: string, cuts: number[]) => {
  const bytes = new TextEncoder().encode(text)
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  const parts = at.slice(1).map((end, i) => bytes.slice(at[i], end))
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(part)
      controller.close()
    },
  })
  return Array.fromAsync(events(stream))
}

test('events are the same wherever the stream is cut, and whatever ends its lines', async () => {
  const end = fc.constantFrom('\n', '\r\n', '\r')
  await fc.assert(
    fc.asyncProperty(end, fc.array(fc.nat(500), { maxLength: 8 }), async (eol, cuts) => {
      const lines = [
        ': hello',
        '',
        'id: 7',
        'event: log',
        'data: {"a":1}',
        '',
        'data: grüße',
        'data:two',
        '',
        'event: none',
        '',
        'data: cut off',
        'x',
      ]
      expect(await read(lines.join(eol), cuts)).toEqual([
        { id: '7', event: 'log', data: '{"a":1}' },
        { id: '7', event: 'message', data: 'grüße\ntwo' },
      ])
    }),
  )
})
