import type { EgressLimits } from './traffic.ts'

/** What the process of the way out is told once, before anything else. */
export interface Settings {
  /** Addresses with ports that may be reached although they are not public, such as "127.0.0.1:8080". */
  permit: readonly string[]
  /** Name servers in place of the machine's own. */
  resolvers: readonly string[]
  limits: EgressLimits
  /** The user to become; null to stay who it is. */
  uid: number | null
}

/** With `open` comes a server that listens already. A way out is named by a number. */
export type ToProcess =
  | { start: Settings }
  | { open: number; hosts: readonly string[] | null }
  | { close: number }

/** What ways out were used for since the last time; `closed` is the one that will not be used again. */
export interface FromProcess {
  used: ({ way: number } & WayUsage)[]
  closed?: number
}

/** Bytes are those of bodies, and of everything on a WebSocket; out is from the app. */
export interface WayUsage {
  requests: number
  bytesOut: number
  bytesIn: number
}
