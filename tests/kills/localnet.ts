import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Hex } from 'viem'

export interface Localnet {
  rpcUrl: string
  chainId: number
  token: Hex
  /** Of its node, which is started again when it is killed. */
  readonly pid: number
  stop(): Promise<void>
}

/** A local chain that does not end with the server that is paid on it. */
export async function localnet(folder: string): Promise<Localnet> {
  const program = new URL('../../packages/api/src/testing/localnet.ts', import.meta.url)
  const child = spawn(process.execPath, ['--conditions=jack:src', fileURLToPath(program), folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })
  let pid = 0
  lines.on('line', (line) => {
    pid = JSON.parse(line).pid
  })
  const [first] = await once(lines, 'line')
  return {
    ...JSON.parse(first),
    get pid() {
      return pid
    },
    async stop() {
      child.stdin.end()
      await once(child, 'exit')
    },
  }
}
