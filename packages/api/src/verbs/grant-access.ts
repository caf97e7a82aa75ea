import { JackError } from '../Errors.ts'
import { type Ask, codeMs, grantName, type Terms } from '../Grant.ts'
import type { Jack } from '../jack.ts'
import type { Db } from '../store/database.ts'
import * as clients from '../store/oauthClients.ts'
import * as devices from '../store/oauthDevices.ts'
import * as grants from '../store/oauthGrants.ts'
import * as projects from '../store/projects.ts'
import * as tokens from '../store/tokens.ts'

/** A person lets a client in. Answers the grant, and the code that the client comes for its token with. */
export function grantCode(
  jack: Jack,
  accountId: string,
  ask: Ask,
  terms: Terms,
  { redirectUri, challenge }: { redirectUri: string; challenge: string },
): Promise<{ tokenId: string; code: string }> {
  return jack.db.transaction().execute(async (db) => {
    const tokenId = await grant(jack, db, accountId, ask, terms)
    const expiresAt = new Date(jack.now().getTime() + codeMs)
    const code = await grants.addCode(db, { tokenId, redirectUri, challenge, expiresAt })
    return { tokenId, code }
  })
}

/** A person lets the device in that shows a code. Answers the grant. Throws `gone` when somebody decided before. */
export function grantDevice(
  jack: Jack,
  accountId: string,
  { ask, userCode }: devices.Device,
  terms: Terms,
): Promise<string> {
  return jack.db.transaction().execute(async (db) => {
    const tokenId = await grant(jack, db, accountId, ask, terms)
    if (!(await devices.decide(db, userCode, tokenId)))
      throw new JackError('gone', 'This code was answered before.')
    return tokenId
  })
}

/** A grant is a token from now on, which has ended already: its first secret is made when the client comes for it. */
async function grant(
  jack: Jack,
  db: Db,
  accountId: string,
  ask: Ask,
  { scopes, project, dailyCapMicroUsd }: Terms,
): Promise<string> {
  const confinedTo = project === null ? null : await projects.find(db, accountId, project)
  if (confinedTo === undefined)
    throw new JackError('not_found', 'There is no such project any more.')
  const tokenId = jack.newId('tok')
  await tokens.add(
    db,
    {
      tokenId,
      accountId,
      name: grantName(ask),
      scopes: ask.scopes.filter((it) => scopes.includes(it)),
      projectId: confinedTo?.projectId ?? null,
      dailyCapMicroUsd,
      expiresAt: jack.now(),
      clientId: ask.clientId,
      resource: ask.resource,
    },
    tokens.newSecret(),
  )
  await clients.touch(db, ask.clientId, jack.now())
  return tokenId
}
