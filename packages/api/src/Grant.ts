import { type Scope, scopes } from '@jackcloud/sdk/wire'
import { commandLine } from './OAuthClient.ts'
import { type Resource, usualScopes } from './Resource.ts'

/** What a client asks a person for. */
export interface Ask {
  clientId: string
  clientName: string
  /** The machine that `jack login` runs on, as it says. */
  deviceName: string | null
  resource: Resource
  scopes: readonly Scope[]
}

/** What the person gives: no more than was asked. */
export interface Terms {
  scopes: readonly Scope[]
  /** Name of the only project that may be touched; null for all. */
  project: string | null
  dailyCapMicroUsd: bigint | null
}

const hour = 3_600_000
const day = 24 * hour

/** A client that got a code has a minute to come for its token. */
export const codeMs = 60_000

/** How long a person has to find the page and type the code. */
export const deviceMs = 600_000

/**
 * How long a secret is good, and for how long after it a client can get the next one. The command line gets one for long and
 * no other: its processes run beside each other, and would take the next one away from each other.
 */
export const lifetimeOf = (clientId: string): { accessMs: number; refreshMs: number | null } =>
  clientId === commandLine.clientId
    ? { accessMs: 90 * day, refreshMs: null }
    : { accessMs: hour, refreshMs: 60 * day }

/** By what name people find it among their tokens. */
export const grantName = ({ clientName, deviceName }: Ask): string =>
  deviceName === null ? clientName : `jack on ${deviceName}`

/**
 * The scopes of a request (RFC 6749, section 3.3), in our order; those of others are left out. The usual ones when none
 * is named, and null when none is ours.
 */
export function scopesOf(text: string | undefined): readonly Scope[] | null {
  const words = (text ?? '').split(' ').filter((it) => it !== '')
  if (words.length === 0) return usualScopes
  const known = scopes.filter((it) => words.includes(it))
  return known.length > 0 ? known : null
}

/** What a scope lets a client do, for the person who decides. */
export const scopeWords: Record<Scope, string> = {
  read: 'See projects, logs, usage and the balance',
  execute: 'Run programs, which costs money',
  deploy: 'Deploy, change and delete projects and their data, which costs money',
  admin: 'Everything else too: make tokens, move the balance, close payment sessions',
}
