import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Payer } from '../Payer.ts'
import type { Offer, Presented } from '../payments/Payments.ts'

/** What the Hono app carries through a request. */
export interface Door {
  Bindings: { incoming: IncomingMessage; outgoing: ServerResponse }
  Variables: {
    requestId: string
    /** Address of the client, seen through trusted proxies. */
    address: string
    /** Whose token it is. */
    payer: Payer | null
    /** What a wallet sent to be known by, or to pay with. */
    presented: Presented | null
    /** What an answer of 402 asks for. */
    offer: Offer | null
  }
}
