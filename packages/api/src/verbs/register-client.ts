import type { Jack } from '../jack.ts'
import type { ClientMetadata, OAuthClient } from '../OAuthClient.ts'
import * as clients from '../store/oauthClients.ts'

/** Keeps what a client says of itself, under a new id (RFC 7591). It gets no secret: its redirect URIs are what it is known by. */
export async function registerClient(jack: Jack, it: ClientMetadata): Promise<OAuthClient> {
  const client = {
    clientId: jack.newId('cli'),
    name: it.client_name || 'A program without a name',
    host: null,
    redirectUris: it.redirect_uris,
  }
  await clients.add(jack.db, client)
  return client
}
