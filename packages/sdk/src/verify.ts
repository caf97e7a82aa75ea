import { createHash } from 'node:crypto'
import type { Program } from '@jackcloud/bundler'
import { JackError } from './JackError.ts'
import { localFetch } from './localhost.ts'
import { packed } from './packed.ts'
import type { LiveVersion } from './wire/LiveVersion.ts'

/** Whether a live URL runs a program, and where it does not. */
export interface Verification {
  url: string
  /** The URL runs exactly this code, with these static files and these settings. */
  same: boolean
  /** `unknown`: settings can be compared only where the code is the same. */
  parts: Record<'code' | 'assets' | 'settings', 'same' | 'differs' | 'unknown'>
  /** sha256 over all of it: of what the URL runs, and of the program here. */
  live_digest: string
  digest: string
  deployment_id: string
  deployed_at: string
}

/**
 * Asks a live URL which version it runs, and compares that with a program that was read and bundled here.
 * The environment of the project is no part of a version and is not compared.
 *
 * Throws a `JackError`: `usage` for what is no URL, `bad_answer` for one that is no live URL of a Jack Cloud, `network`.
 */
export async function verifyProgram(
  url: string,
  program: Program,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<Verification> {
  const { canonicalVersion, defaultCompatibilityDate, Manifest, versionOf, versionParts } =
    await import('./wire/index.ts')
  const live = await askVersion(url, signal)
  const version = versionOf(Manifest.parse(packed(program).manifest), defaultCompatibilityDate)
  const digest = sha256(canonicalVersion(version))
  const parts = versionParts(version)
  const same = digest === live.digest
  const compare = (part: keyof typeof parts) =>
    same || sha256(parts[part]) === live.parts[part] ? 'same' : 'differs'
  const code = compare('code')
  return {
    url,
    same,
    parts: {
      code,
      assets: compare('assets'),
      settings: code === 'same' ? compare('settings') : 'unknown',
    },
    live_digest: live.digest,
    digest,
    deployment_id: live.deployment_id,
    deployed_at: live.deployed_at,
  }
}

async function askVersion(url: string, signal?: AbortSignal): Promise<LiveVersion> {
  const { LiveVersion } = await import('./wire/index.ts')
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new JackError('usage', `"${url.slice(0, 200)}" is not a URL.`, {
      hint: 'It looks like https://brave-otter-api.jack.example.',
    })
  }
  const asked = new URL('/.well-known/jack', url)
  let text: string
  try {
    const response = await localFetch(asked.href, {
      redirect: 'manual',
      ...(signal && { signal }),
    })
    text = await response.text()
  } catch (cause) {
    if (signal?.aborted) throw signal.reason
    throw new JackError('network', `${asked.origin} could not be reached.`, { cause })
  }
  const parsed = LiveVersion.safeParse(json(text))
  if (parsed.success) return parsed.data
  throw new JackError('bad_answer', `${asked.origin} does not say which version it runs.`, {
    hint: 'Is this the live URL of a project, as `jack ls` shows it?',
    fields: { answer: text.slice(0, 500) },
  })
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
