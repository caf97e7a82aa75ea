import { writeSync } from 'node:fs'
import { Agent, request } from 'undici'
import type { Ordered } from './load.ts'
import { p50, p99 } from './measure.ts'

// Run as a process: sends requests without pipelining, and prints what came of them as JSON.
const { url, host, connections, forMs, perSecond } = JSON.parse(process.argv[2] ?? '') as Ordered
const dispatcher = new Agent({ connections, pipelining: 1, keepAliveTimeout: 60_000 })
const latencies: number[] = []
const failures: Record<string, number> = {}

async function send(): Promise<void> {
  const began = performance.now()
  try {
    const { statusCode, body } = await request(url, {
      dispatcher,
      headers: { host },
      headersTimeout: 10_000,
      bodyTimeout: 10_000,
    })
    await body.dump()
    if (statusCode >= 300) count(`status ${statusCode}`)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    count(code ?? message)
  }
  latencies.push(performance.now() - began)
}

function count(failure: string): void {
  failures[failure] = (failures[failure] ?? 0) + 1
}

let stopped = false
process.stdin.once('end', () => {
  stopped = true
})
process.stdin.resume()

await send()
latencies.length = 0
writeSync(3, 'sending\n')
const began = performance.now()
await (perSecond === undefined ? closedLoop() : openLoop(perSecond))
const seconds = (performance.now() - began) / 1_000
const failed = Object.values(failures).reduce((sum, count) => sum + count, 0)
console.log(
  JSON.stringify({
    perSecond: latencies.length / seconds,
    p50: p50(latencies),
    p99: p99(latencies),
    requests: latencies.length,
    failed,
    failures,
  }),
)
process.exit()

/** The next request of a connection goes out when the one before is answered. */
async function closedLoop(): Promise<void> {
  const one = async () => {
    while (!stopped && performance.now() - began < forMs) await send()
  }
  await Promise.all(Array.from({ length: connections }, one))
}

/** Requests go out by the clock. A server that pauses is asked no less: that is what users do. */
async function openLoop(perSecond: number): Promise<void> {
  const sent: Promise<void>[] = []
  for (;;) {
    const elapsed = performance.now() - began
    if (stopped || elapsed >= forMs) break
    while (sent.length < (elapsed / 1_000) * perSecond) sent.push(send())
    await new Promise((resolve) => setTimeout(resolve, 4))
  }
  await Promise.all(sent)
}
