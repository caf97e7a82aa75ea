import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'

/** A worker on workerd with nothing of ours around it, to compare with. */
export async function bareWorkerd(
  code: string,
  compatibilityDate: string,
): Promise<{ port: number; stop(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'jack-bare-'))
  await writeFile(join(dir, 'worker.js'), code)
  await writeFile(
    join(dir, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
 services = [(name = "main", worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "${compatibilityDate}", compatibilityFlags = ["no_nodejs_compat"]))],
 sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]);`,
  )
  const { default: binary } = createRequire(import.meta.url)('workerd')
  const child = spawn(binary, ['serve', '--control-fd=3', join(dir, 'config.capnp')], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'exit')
  const [told] = await once(child.stdio[3] as Readable, 'data')
  return {
    port: JSON.parse(String(told).split('\n')[0] as string).port,
    async stop() {
      child.kill('SIGKILL')
      await ended
      await rm(dir, { recursive: true })
    },
  }
}
