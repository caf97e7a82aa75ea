// The client for programs on Node: everything of `@jackcloud/sdk`, and folders.
import type { Program } from '@jackcloud/bundler'
import * as neutral from './Jack.ts'
import { JackError } from './JackError.ts'
import { localFetch } from './localhost.ts'
import type { Answer, Input } from './operations.ts'
import { packed } from './packed.ts'
import { type Verification, verifyProgram } from './verify.ts'
import { fileStore } from './wallet/fileStore.ts'

export * from './index.ts'
export { localFetch, loopback } from './localhost.ts'
export { packed } from './packed.ts'
export { type Verification, verifyProgram } from './verify.ts'
export { type FileStoreOptions, fileStore } from './wallet/fileStore.ts'

/**
 * A client of Jack that takes what is not given from JACK_URL, JACK_TOKEN and JACK_RPC_URL. Its wallet, if it has one,
 * is kept in a file that all programs of this person share.
 */
export function createJack(options: neutral.JackOptions = {}): neutral.Jack {
  return neutral.createJack({
    ...options,
    rpcUrl: options.rpcUrl ?? (process.env.JACK_RPC_URL || process.env.MPPX_RPC_URL || undefined),
    store: options.store ?? (options.account && fileStore()),
    url: options.url ?? (process.env.JACK_URL || undefined),
    token: options.token ?? (process.env.JACK_TOKEN || undefined),
    fetch: options.fetch ?? localFetch,
  })
}

type ProjectSettings = Pick<
  Input<'upload'>,
  'env' | 'budget_usd' | 'ttl_hours' | 'verify' | 'if_exists'
>

export interface DeployOptions extends ProjectSettings, neutral.PostOptions {
  /** The project's name. Default: what `jack.json` or the wrangler file of the folder says. */
  name?: string | undefined
}

/**
 * Bundles a folder on this machine and puts it on a live URL.
 *
 * Throws a `BundleError` when the program does not compile, else a `JackError`.
 *
 * @example
 * const { url } = await deployFolder(createJack(), 'examples/hello', { name: 'hello' })
 */
export async function deployFolder(
  jack: neutral.Jack,
  folder: string,
  options: DeployOptions = {},
): Promise<Answer<'deploy'>> {
  const { readProgram } = await import('@jackcloud/bundler')
  return deployProgram(jack, await readProgram(folder), options)
}

/** Puts a program that `readProgram` of `@jackcloud/bundler` read on a live URL. */
export async function deployProgram(
  jack: neutral.Jack,
  program: Program,
  { name = program.name, signal, idempotencyKey, ...settings }: DeployOptions = {},
): Promise<Answer<'deploy'>> {
  if (name === undefined) {
    throw new JackError('usage', 'The project has no name.', {
      hint: 'Pass `name`, or put {"name": "my-app"} into jack.json.',
    })
  }
  const { manifest, files } = packed(program)
  const asked = { ...manifest, ...withoutUndefined(settings) }
  return jack.projects.upload(name, asked, files, { signal, idempotencyKey })
}

/**
 * Bundles a folder on this machine and says whether a live URL runs exactly that.
 *
 * @example
 * const { same } = await verifyFolder('https://brave-otter-api.jack.example', 'examples/hello')
 */
export async function verifyFolder(
  url: string,
  folder: string,
  options: neutral.CallOptions = {},
): Promise<Verification> {
  const { readProgram } = await import('@jackcloud/bundler')
  return verifyProgram(url, await readProgram(folder), options)
}

const withoutUndefined = <T extends object>(it: T): T =>
  Object.fromEntries(Object.entries(it).filter(([, value]) => value !== undefined)) as T
