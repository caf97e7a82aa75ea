import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Payer } from '../Payer.ts'

/** What the Hono app carries through a request. */
export interface Door {
  Bindings: { incoming: IncomingMessage; outgoing: ServerResponse }
  Variables: {
    requestId: string
    /** Address of the client, seen through trusted proxies. */
    address: string
    payer: Payer | null
  }
}
