import { rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { Client } from 'undici'
import { end, newFolder, run, start } from '../harness/processes.ts'

// workerd without anything around it: no sandbox, no limits, no supervisor. The same binary that Jack runs.
const api = createRequire(new URL('../../packages/api/package.json', import.meta.url))
const workerd: string = api('workerd').default

export interface BareWorkerd {
  /** Sends a request and reads its answer, over a connection that is kept. */
  request(body?: string): Promise<string>
  stop(): Promise<void>
}

/**
 * A worker that loads each program it is sent into a fresh isolate: the least that an execution can be. Without Node's
 * modules, which this compatibility date would bring into every isolate, and which cost a third of its start.
 */
export const loaderConfig = (address: string): string =>
  config(
    `export default {
  async fetch(request, env) {
    const { code, input } = await request.json()
    const worker = env.LOADER.load({
      compatibilityDate: '2026-11-01', compatibilityFlags: ['no_nodejs_compat'],
      mainModule: 'main.js', globalOutbound: null,
      modules: {
        'program.js': code,
        'main.js': "import { run } from './program.js'\\n" +
          "export default { async fetch(request) { return Response.json(await run(await request.json())) } }",
      },
    })
    const asked = new Request('http://program/', { method: 'POST', body: JSON.stringify(input) })
    return worker.getEntrypoint().fetch(asked)
  },
}`,
    address,
    '"experimental"',
    '(name = "LOADER", workerLoader = ())',
  )

/** An app that is there from the start. */
export const appConfig = (module: string, address: string): string => config(module, address)

const config = (module: string, address: string, flags = '', bindings = '') =>
  `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "app", worker = (
      modules = [(name = "app.js", esModule = ${JSON.stringify(module)})],
      compatibilityDate = "2026-11-01", compatibilityFlags = [${flags}], bindings = [${bindings}],
      globalOutbound = "internet")),
    (name = "internet", network = (allow = [])),
  ],
  sockets = [(name = "http", address = "${address}", http = (), service = "app")],
);
`

/** Starts workerd on a unix socket, from the text of a config. */
export async function startWorkerd(text: (address: string) => string): Promise<BareWorkerd> {
  const folder = newFolder()
  const socketPath = join(folder, 's.sock')
  const file = join(folder, 'config.capnp')
  writeFileSync(file, text(`unix:${socketPath}`))
  const { stop } = await serve([file])
  return connected(socketPath, stop)
}

/** The same on a TCP port of its own choice. */
export async function startWorkerdOnPort(
  text: (address: string) => string,
): Promise<{ url: string; stop(): Promise<void> }> {
  const file = join(newFolder(), 'config.capnp')
  writeFileSync(file, text('127.0.0.1:0'))
  const { port, stop } = await serve([file])
  return { url: `http://127.0.0.1:${port}`, stop }
}

/** What starts a compiled config as fast as it can be started: the file is parsed and checked before. */
export async function compiled(
  text: (address: string) => string,
): Promise<() => Promise<BareWorkerd>> {
  const folder = newFolder()
  const socketPath = join(folder, 's.sock')
  writeFileSync(join(folder, 'config.capnp'), text(`unix:${socketPath}`))
  const shell = `"$1" compile --config-only config.capnp > config.bin`
  await run('sh', ['-c', shell, 'sh', workerd], { cwd: folder })
  return async () => {
    // It leaves its socket behind, and does not start over an old one.
    rmSync(socketPath, { force: true })
    const { stop } = await serve(['-b', join(folder, 'config.bin')])
    return connected(socketPath, stop)
  }
}

function connected(socketPath: string, stop: () => Promise<void>): BareWorkerd {
  const client = new Client('http://workerd', { socketPath, keepAliveTimeout: 60_000 })
  return {
    async request(body) {
      const response = await client.request(
        body === undefined ? { path: '/', method: 'GET' } : { path: '/', method: 'POST', body },
      )
      const text = await response.body.text()
      if (response.statusCode === 200) return text
      throw new Error(`bare workerd answered ${response.statusCode}: ${text.slice(0, 500)}`)
    },
    async stop() {
      await client.destroy()
      await stop()
    },
  }
}

/** Resolves as soon as workerd says that it listens. */
async function serve(args: string[]): Promise<{ port: number; stop(): Promise<void> }> {
  const child = start(workerd, ['serve', '--experimental', '--control-fd=3', ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr?.on('data', (chunk) => {
    said = (said + chunk).slice(-2_000)
  })
  const port = await new Promise<number>((resolve, reject) => {
    let text = ''
    ;(child.stdio[3] as Readable).on('data', (chunk) => {
      text += chunk
      const match = /"event":\s*"listen"[^}]*?"port":\s*(\d+)|"event":\s*"listen"/.exec(text)
      if (match) resolve(Number(match[1] ?? 0))
    })
    child.once('exit', () => reject(new Error(`bare workerd did not start: ${said}`)))
  })
  return { port, stop: () => end(child) }
}
