// The client for programs on Node: everything of `@jackcloud/sdk`, and folders.
import { createHash } from 'node:crypto'
import type { Program } from '@jackcloud/bundler'
import * as neutral from './Jack.ts'
import { JackError } from './JackError.ts'
import { localFetch } from './localhost.ts'
import type { FileBytes } from './multipart.ts'
import type { Answer, Input } from './operations.ts'
import { manifestOf } from './wire/program.ts'

export * from './index.ts'
export { localFetch, loopback } from './localhost.ts'

/** A client of Jack that takes what is not given from JACK_URL and JACK_TOKEN. */
export function createJack(options: neutral.JackOptions = {}): neutral.Jack {
  return neutral.createJack({
    ...options,
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

/** The manifest of a program and the bytes that go with it, by sha256. */
export function packed(program: Program): {
  manifest: Input<'upload'>
  files: Map<string, FileBytes>
} {
  const files = new Map<string, FileBytes>()
  const add = (bytes: Uint8Array) => {
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    files.set(sha256, bytes)
    return { sha256, sizeBytes: bytes.byteLength }
  }
  const digests = (program.bundle?.modules ?? []).map((module) => add(module.bytes))
  const map = program.bundle?.sourceMap
  const sourceMap = map ? add(Buffer.from(map)).sha256 : undefined
  for (const file of program.assets?.files ?? []) {
    if (!files.has(file.sha256)) files.set(file.sha256, () => file.bytes())
  }
  return { manifest: manifestOf(program, digests, sourceMap), files }
}

const withoutUndefined = <T extends object>(it: T): T =>
  Object.fromEntries(Object.entries(it).filter(([, value]) => value !== undefined)) as T
