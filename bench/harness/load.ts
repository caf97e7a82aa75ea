import { existsSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { end, firstLine, newFolder, run, start } from './processes.ts'

/** What a load generator saw. */
export interface Load {
  perSecond: number
  /** Milliseconds. */
  p50: number
  p99: number
  requests: number
  /** Answers that were no 2xx, and requests without an answer. */
  failed: number
}

/** Where the load comes from: `wrk` takes less of the cores than a generator in Node can. */
export const generator = (process.env.PATH ?? '')
  .split(delimiter)
  .some((folder) => existsSync(join(folder, 'wrk')))
  ? 'wrk'
  : 'bench/harness/loadGenerator.ts'

let script: string | undefined

/** As many requests as can be answered over so many connections, each waiting for its answer. */
export async function press(
  url: string,
  host: string,
  { connections, forMs }: { connections: number; forMs: number },
): Promise<Load> {
  const load =
    generator === 'wrk'
      ? await pressWithWrk(url, host, connections, forMs)
      : await (await generate({ url, host, connections, forMs })).result
  if (load.failed > 0) throw new Error(`${load.failed} of ${load.requests} requests failed: ${url}`)
  return load
}

async function pressWithWrk(url: string, host: string, connections: number, forMs: number) {
  if (script === undefined) {
    script = join(newFolder(), 'report.lua')
    writeFileSync(script, report)
  }
  // wrk takes whole seconds only. `Host` with its capital: any other spelling makes a second header.
  const duration = `${Math.max(1, Math.round(forMs / 1_000))}s`
  const threads = ['-t1', `-c${connections}`, `-d${duration}`, '--timeout', '10s']
  const { stdout } = await run('wrk', [...threads, '-H', `Host: ${host}`, '-s', script, url])
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Load
}

const report = `done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"perSecond":%f,"p50":%f,"p99":%f,"requests":%d,"failed":%d}\\n',
    summary.requests / summary.duration * 1000000, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    summary.requests, e.connect + e.read + e.write + e.status + e.timeout))
end
`

export interface Ordered {
  url: string
  host: string
  connections: number
  forMs: number
  /** Sends this many a second whether or not they are answered; without it, as many as are answered. */
  perSecond?: number
}

export interface Generating {
  /** Sends no more, and waits for what is still to be answered. */
  stop(): void
  result: Promise<Load & { failures: Record<string, number> }>
}

/** Starts our own generator in a process of its own; resolves when its first request was answered. */
export async function generate(ordered: Ordered): Promise<Generating> {
  const file = fileURLToPath(new URL('loadGenerator.ts', import.meta.url))
  const child = start(process.execPath, [file, JSON.stringify(ordered)], {
    stdio: ['pipe', 'pipe', 'inherit', 'pipe'],
  })
  const result = firstLine(child).then((line) => JSON.parse(line))
  // Whoever waits for the result hears of it; until then it must not count as unhandled.
  result.catch(() => {})
  await firstLine(child, 3).catch(async (error) => {
    await end(child)
    throw error
  })
  return { stop: () => child.stdin?.end(), result }
}
