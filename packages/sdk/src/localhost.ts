import type { LookupFunction } from 'node:net'
import type { Dispatcher } from 'undici'
import type { Fetch } from './fetch.ts'

/**
 * `fetch` for which every `*.localhost` is this machine, as it is for browsers and curl. Live URLs of a Jack Cloud on
 * this machine need it, because Node asks the system's resolver, which may know only `localhost` itself.
 *
 * @example
 * const response = await localFetch('http://brave-otter-api.localhost:8787/', {})
 */
export const localFetch: Fetch = async (input, init) => {
  if (!isLocalhostName(new URL(input).hostname)) return fetch(input, init)
  const undici = await import('undici')
  agent ??= new undici.Agent({ connect: { lookup: loopback } })
  const response = await undici.fetch(input, {
    ...(init as import('undici').RequestInit),
    dispatcher: agent,
  })
  return response as unknown as Response
}

/** A lookup for `net.connect` and undici's Agent that answers the loopback addresses, whatever the name. */
export const loopback: LookupFunction = (_hostname, options, callback) => {
  const addresses = [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ]
  if (options.all) callback(null, addresses)
  else callback(null, '127.0.0.1', 4)
}

const isLocalhostName = (hostname: string): boolean => hostname.endsWith('.localhost')

let agent: Dispatcher | undefined
