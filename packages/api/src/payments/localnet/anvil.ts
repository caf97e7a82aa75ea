import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import type { Duplex } from 'node:stream'
import { JackError } from '../../Errors.ts'

/** A running anvil, which speaks JSON-RPC on a loopback port of its own. It does whatever it is asked. */
export interface Anvil {
  pid: number
  /** Throws an `RpcError` with what it says. */
  rpc<T>(method: string, ...params: unknown[]): Promise<T>
  /** Resolves with why, when it is over. */
  ended: Promise<string>
  stop(): Promise<void>
}

/** What a node answered instead of a result. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly code: number
  readonly data: unknown

  constructor(error: { code: number; message: string; data?: unknown }) {
    super(error.message)
    this.code = error.code
    this.data = error.data
  }
}

/** Starts an empty Tempo chain. It ends when this process does, however that ends. */
export async function startAnvil({ chainId }: { chainId: number }): Promise<Anvil> {
  const child = spawn('/bin/sh', ['-c', DIES_WITH_US, anvilPath(), ...anvilArguments(chainId)], {
    cwd: '/',
    env: { PATH: '/usr/bin:/bin', HOME: process.env.HOME ?? '/' },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    // A group of its own: Ctrl-C in the terminal ends Jack, which then ends the chain.
    detached: true,
  })
  const lifeline = child.stdio[3] as Duplex
  lifeline.on('error', () => {})
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => {
      lifeline.end('over\n')
      resolve(`exit ${code ?? signal}`)
    })
  })
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
  }
  try {
    const url = await listening(child, ended)
    return { pid: child.pid as number, rpc: caller(url), ended, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/**
 * anvil takes the place of the shell, so its pid is the child's. Beside it stays a shell that waits for a line on the
 * pipe from Jack: when the pipe is closed without one, Jack is gone, and so is the chain.
 */
const DIES_WITH_US = '(read -r _ <&3 || kill -9 $$) & exec "$0" "$@" 3<&-'

function anvilArguments(chainId: number): string[] {
  const options = {
    network: 'tempo',
    // The latest that this anvil knows. Before T1 there are no expiring nonces.
    hardfork: 'T4',
    'chain-id': chainId,
    host: '127.0.0.1',
    port: 0,
    'prune-history': 200,
  }
  const flags = ['--no-cors', '--no-request-size-limit']
  return [
    ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]),
    ...flags,
  ]
}

/** Throws `unavailable` where there is none: npm has it for Linux and macOS, x64 and arm64. */
function anvilPath(): string {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  const name = `@foundry-rs/anvil-${process.platform}-${arch}`
  try {
    // A dependency of the package, so it is looked up from there.
    const from = createRequire(import.meta.url).resolve('@foundry-rs/anvil/package.json')
    return createRequire(from).resolve(`${name}/bin/anvil`)
  } catch (cause) {
    throw new JackError(
      'unavailable',
      `There is no local chain for this machine: the optional package ${name} is not installed.`,
      {
        hint: 'Install with optional dependencies (it exists for Linux and macOS), or configure the RPC of another chain.',
        cause,
      },
    )
  }
}

/** The address that it prints once it answers. */
async function listening(child: ChildProcess, ended: Promise<string>): Promise<string> {
  let output = ''
  const announced = new Promise<string>((resolve) => {
    const read = (chunk: Buffer) => {
      // Afterwards it is still read, so that it can go on printing.
      if (output.length < 100_000) output += chunk
      const [, address] = /Listening on (\S+)\n/.exec(output) ?? []
      if (address) resolve(`http://${address}`)
    }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
  })
  const failed = ended.then((why) => {
    throw new JackError('unavailable', `The local chain did not start (${why}): ${output.trim()}`)
  })
  return Promise.race([announced, failed])
}

const caller =
  (url: string): Anvil['rpc'] =>
  async <T>(method: string, ...params: unknown[]): Promise<T> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
    const answer = (await response.json()) as
      | { result: T; error?: undefined }
      | { error: { code: number; message: string; data?: unknown } }
    if (answer.error) throw new RpcError(answer.error)
    return answer.result
  }
