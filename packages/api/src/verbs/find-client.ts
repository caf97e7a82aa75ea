import type { Jack } from '../jack.ts'
import { commandLine, isDocumentUrl, type OAuthClient } from '../OAuthClient.ts'
import * as clients from '../store/oauthClients.ts'

/** The client of an id: the one that is built in, one whose id is the address of its metadata, or one that registered itself. */
export async function findClient(jack: Jack, clientId: string): Promise<OAuthClient | undefined> {
  if (clientId === commandLine.clientId) return commandLine
  if (isDocumentUrl(clientId)) return jack.clientDocuments.find(clientId)
  return clients.find(jack.db, clientId)
}
