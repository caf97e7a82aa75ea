import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

// `pnpm start`: a whole Jack Cloud on this machine with an example on a live URL. The same as
// `jack up` in one terminal and `jack deploy examples/hello` in another.
const root = fileURLToPath(new URL('..', import.meta.url))
const cli = `${root}packages/cli/src/bin.ts`
const node = [process.execPath, '--conditions=jack:src', cli] as const

const up = spawn(node[0], [...node.slice(1), 'up', '--json', ...process.argv.slice(2)], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
const stopped = once(up, 'exit')
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => up.kill(signal))

console.log('Starting a Jack Cloud on this machine ...')
const cloud = await firstLine(up.stdout)
if (!cloud) process.exit(((await stopped)[0] as number | null) ?? 1)
console.log(`  running    ${cloud.url}   (sandbox: ${cloud.sandbox})`)
console.log(`  data       ${cloud.data}`)
if (cloud.sandbox !== 'full') {
  console.log(
    '  The sandbox is not at full strength: run only programs that you trust. `npx pnpm@12 jack doctor` says why.',
  )
}

console.log('Deploying examples/hello ...')
const deployed = await jackJson(['deploy', `${root}examples/hello`, '--json', '--yes'])
if (typeof deployed.url !== 'string') {
  console.error(deployed)
  up.kill('SIGINT')
  await stopped
  process.exit(1)
}
const sample = `${deployed.url}/?name=you`
const answer = await fetchLocal(sample)
console.log(`
  live       ${deployed.url}

  $ curl '${sample}'
  ${answer}

Try next, in another terminal:
  npx pnpm@12 jack run - --input '{"a":20}' <<< 'export const run = ({ a }) => a + 22'
  npx pnpm@12 jack new my-api -t hono-api && npx pnpm@12 jack deploy my-api
  npx pnpm@12 jack logs hello -f
  npx pnpm@12 jack --help

Ctrl-C stops it; what is deployed is there again with the next start.`)

const [code] = await stopped
process.exit((code as number | null) ?? 0)

async function firstLine(
  stream: NodeJS.ReadableStream,
): Promise<Record<string, string> | undefined> {
  for await (const line of createInterface({ input: stream })) return JSON.parse(line)
  return undefined
}

async function jackJson(args: string[]): Promise<Record<string, unknown>> {
  const child = spawn(node[0], [...node.slice(1), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, JACK_URL: cloud?.url, JACK_TOKEN: cloud?.token },
  })
  let text = ''
  for await (const chunk of child.stdout) text += chunk
  return JSON.parse(text)
}

/** `*.localhost` is loopback by RFC 6761, but not to every resolver: ask loopback and name the host. */
async function fetchLocal(url: string): Promise<string> {
  const { request } = await import('undici')
  const { host, port, pathname, search } = new URL(url)
  const { body } = await request(`http://127.0.0.1:${port}${pathname}${search}`, {
    headers: { host },
  })
  return body.text()
}
