import type { IncomingMessage } from 'node:http'
import type { Payer } from '../Payer.ts'
import type { Offer, Presented } from '../payments/Payments.ts'
import type { Deed } from '../store/audit.ts'

/** How a request got to the doors. Whoever lets it in answers for what it says: none of it is believed of a header. */
export interface Arrival {
  /** Address of the client, seen through trusted proxies. */
  address: string
  /** What was sent with it, as it comes. */
  body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
  /** The request itself, of one that came over a socket. */
  incoming?: IncomingMessage
  /** Of one that another request is answered with; see `inProcess`. */
  within?: {
    requestId: string
    /** Who was found to be asking; null leaves it to the headers. */
    payer: Payer | null
    /** What it is part of: a challenge is good for that and nothing else. */
    purpose?: string
    /** Told whose wallet the request turned out to be of. */
    found?(payer: Payer): void
  }
}

/** What the Hono app carries through a request. */
export interface Door {
  Bindings: Arrival
  Variables: {
    requestId: string
    address: string
    /** What the cookie of a browser holds, once a page has asked for it. */
    browser: string | null
    /** Whose token it is. */
    payer: Payer | null
    /** What a wallet sent to be known by, or to pay with. */
    presented: Presented | null
    /** What is done in whose name; null until that is known. */
    deed: Pick<Deed, 'accountId' | 'tokenId' | 'operation' | 'project'> | null
    /** What an answer of 402 asks for. */
    offer: Offer | null
  }
}
