import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import ipaddr from 'ipaddr.js'
import { Refusal } from './refusal.ts'

export interface Address {
  address: string
  family: number
}

/** Finds the addresses of a name, and lets nobody go to one that is not out on the internet. */
export class Addresses {
  readonly #resolver = new Resolver({ timeout: 2_500, tries: 2 })
  readonly #permit: ReadonlySet<string>

  /** @param permit addresses with ports that may be reached although they are not public */
  constructor(permit: readonly string[], resolvers: readonly string[]) {
    this.#permit = new Set(permit)
    if (resolvers.length > 0) this.#resolver.setServers(resolvers)
  }

  /**
   * Every address that a name or an address stands for, in the order in which to try them. Throws a refusal when one of
   * them is not allowed: nobody public mixes them.
   */
  async find(host: string, port: number): Promise<Address[]> {
    const found = isIP(host) ? [host] : await this.#resolve(host)
    if (port === MAIL) throw new Refusal(403, 'Port 25 is for mail between servers, not for apps.')
    for (const address of found) {
      const allowed =
        (isPublic(address) && !isOurs(address)) || this.#permit.has(`${address}:${port}`)
      if (!allowed)
        throw new Refusal(403, `${host} is not a public address: apps reach only those.`)
    }
    return found.map((address) => ({ address, family: isIP(address) }))
  }

  /** Asks name servers alone: a hosts file is this machine's, and its lookups would block each other. */
  async #resolve(host: string): Promise<string[]> {
    if (/(^|\.)localhost$/.test(host)) return ['127.0.0.1']
    const answers = await Promise.allSettled([
      this.#resolver.resolve4(host),
      this.#resolver.resolve6(host),
    ])
    const found = answers.flatMap((it) => (it.status === 'fulfilled' ? it.value : []))
    if (found.length > 0) return found
    const codes = answers.map((it) => (it.status === 'rejected' ? it.reason.code : undefined))
    throw codes.every((code) => code === 'ENOTFOUND' || code === 'ENODATA' || code === undefined)
      ? new Refusal(502, `${host} has no address: check its spelling.`)
      : new Refusal(502, `${host} could not be found (${codes[0] ?? codes[1]}): try again.`)
  }
}

const MAIL = 25

/** A public address of this very machine: what listens there need not be meant for apps. */
const isOurs = (address: string) =>
  Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === address))

/** Whether an address is out on the internet, also where it hides in an IPv6 one. */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.parse(address)
  // "unicast" is what is left after private, loopback, link-local, carrier-grade NAT, mapped, 6to4, NAT64 and so on.
  if (parsed.range() !== 'unicast') return false
  if (parsed.kind() === 'ipv4') return address !== AZURE_HOST
  const v6 = parsed as ipaddr.IPv6
  // Global unicast, and none of the documented corners of it.
  return (
    v6.zoneId === undefined &&
    v6.match(ipaddr.IPv6.parse('2000::'), 3) &&
    !v6.match(ipaddr.IPv6.parse('2001::'), 23) &&
    !v6.match(ipaddr.IPv6.parse('2001:db8::'), 32) &&
    !v6.match(ipaddr.IPv6.parse('2002::'), 16) &&
    !v6.match(ipaddr.IPv6.parse('3fff::'), 20)
  )
}

/** Looks public, and is the host of every virtual machine there, with its metadata. */
const AZURE_HOST = '168.63.129.16'
