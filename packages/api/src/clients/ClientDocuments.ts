import { LRUCache } from 'lru-cache'
import { Agent, request } from 'undici'
import { type Address, Addresses } from '../engine/workerd/egress/addresses.ts'
import { ClientMetadata, isDocumentUrl, type OAuthClient } from '../OAuthClient.ts'

const maxBytes = 5_120
const timeoutMs = 3_000
const atOnce = 20
const goodMs = 600_000
const badMs = 30_000

interface Options {
  /** Every address of a host; throws when one of them is not out on the internet. */
  addressesOf?: (host: string, port: number) => Promise<Address[]>
  /** Certificates to trust besides those that Node does, in PEM. */
  ca?: string
}

/**
 * Clients whose id is the address of their metadata (Client ID Metadata Documents). Whoever asks chooses what is fetched,
 * so that it goes to nobody but public servers: over https, to exactly the address that was checked, following no
 * redirect, for so long and so much and no more.
 */
export class ClientDocuments {
  readonly #addressesOf: NonNullable<Options['addressesOf']>
  readonly #ca: string | undefined
  readonly #known = new LRUCache<string, Promise<OAuthClient | undefined>>({ max: 500 })
  #underWay = 0

  constructor({ addressesOf, ca }: Options = {}) {
    const addresses = new Addresses([], [])
    this.#addressesOf = addressesOf ?? ((host, port) => addresses.find(host, port))
    this.#ca = ca
  }

  /** The client of an address; undefined when it does not answer with a document about itself. */
  async find(url: string): Promise<OAuthClient | undefined> {
    if (!isDocumentUrl(url)) return undefined
    const known = this.#known.get(url)
    if (known) return known
    if (this.#underWay >= atOnce) return undefined
    const found = this.#read(url).catch(() => undefined)
    this.#known.set(url, found, { ttl: timeoutMs + goodMs })
    const client = await found
    this.#known.set(url, found, { ttl: client ? goodMs : badMs })
    return client
  }

  async #read(url: string): Promise<OAuthClient | undefined> {
    this.#underWay++
    try {
      const signal = AbortSignal.timeout(timeoutMs)
      const { hostname, port, host } = new URL(url)
      const name = hostname.replace(/^\[|\]$/g, '')
      const addresses = await before(signal, this.#addressesOf(name, Number(port || 443)))
      const document = JSON.parse(await this.#fetch(url, addresses, signal))
      const metadata = ClientMetadata.safeParse(document)
      const method = document.token_endpoint_auth_method ?? 'none'
      if (document.client_id !== url || method !== 'none' || !metadata.success) return undefined
      return {
        clientId: url,
        name: metadata.data.client_name || host,
        host,
        redirectUris: metadata.data.redirect_uris,
      }
    } finally {
      this.#underWay--
    }
  }

  async #fetch(url: string, addresses: Address[], signal: AbortSignal): Promise<string> {
    const agent = new Agent({
      connect: {
        // The name is not looked up again: it might have another address by now.
        lookup: (_host, options, callback) => {
          const [first] = addresses
          if (options.all) callback(null, addresses)
          else if (first) callback(null, first.address, first.family)
        },
        ...(this.#ca !== undefined && { ca: this.#ca }),
      },
      maxHeaderSize: 8_192,
    })
    try {
      const { statusCode, headers, body } = await request(url, {
        dispatcher: agent,
        signal,
        headers: { accept: 'application/json', 'user-agent': 'jack' },
      })
      const type =
        String(headers['content-type'] ?? '')
          .split(';')[0]
          ?.trim() ?? ''
      if (statusCode !== 200 || !/^application\/([a-z0-9.-]+\+)?json$/i.test(type))
        throw new Error('This is no document.')
      const chunks: Buffer[] = []
      let sizeBytes = 0
      for await (const chunk of body as AsyncIterable<Buffer>) {
        sizeBytes += chunk.length
        if (sizeBytes > maxBytes) throw new Error('This is too much.')
        chunks.push(chunk)
      }
      return Buffer.concat(chunks).toString('utf8')
    } finally {
      await agent.destroy()
    }
  }
}

const before = <T>(signal: AbortSignal, work: Promise<T>): Promise<T> =>
  Promise.race([
    work,
    new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
    ),
  ])
