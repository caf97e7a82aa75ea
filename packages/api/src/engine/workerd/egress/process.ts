import type { Server } from 'node:net'
import { createSecureContext } from 'node:tls'
import { Addresses } from './addresses.ts'
import type { FromProcess, Settings, ToProcess } from './messages.ts'
import { WayOut } from './wayOut.ts'

// A process of its own for all that leaves the apps of an engine: names, TLS and bulk bytes cost the engine no time, and
// whoever breaks this finds no secret, no file and no right. It lives as long as its parent holds the other end.

const REPORT_MS = 500

const ways = new Map<number, WayOut>()
// Reads the certificates that the operator trusts, as long as it may.
const secureContext = createSecureContext()
let settings: Settings
let addresses: Addresses

process.on('disconnect', () => process.exit())
// A signal to the whole group is for the parent, which ends this when its apps are done.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

process.on('message', (message: ToProcess, listener?: Server) => {
  if ('start' in message) {
    settings = message.start
    addresses = new Addresses(settings.permit, settings.resolvers)
    become(settings.uid)
  } else if ('open' in message && listener) {
    const { hosts, open } = message
    const { limits } = settings
    ways.set(open, new WayOut(listener, { hosts, limits, addresses, secureContext }))
  } else if ('close' in message) {
    ways.get(message.close)?.end()
    report(message.close)
    ways.delete(message.close)
  }
})

setInterval(report, REPORT_MS)

function report(closed?: number): void {
  const used = [...ways]
    .map(([way, it]) => ({ way, ...it.takeUsage() }))
    .filter(({ requests, bytesOut, bytesIn }) => requests + bytesOut + bytesIn > 0)
  if (used.length === 0 && closed === undefined) return
  const news: FromProcess = { used, ...(closed === undefined ? {} : { closed }) }
  process.send?.(news)
}

function become(uid: number | null): void {
  if (uid === null) return
  process.setgroups?.([])
  process.setgid?.(uid)
  process.setuid?.(uid)
}
