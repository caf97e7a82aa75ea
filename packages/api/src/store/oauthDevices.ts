import { randomBytes, randomInt } from 'node:crypto'
import type { Ask } from '../Grant.ts'
import type { Db } from './database.ts'
import { hashOf } from './tokens.ts'

/** A client without a browser that waits for its person. */
export interface Device {
  ask: Ask
  userCode: string
  /** What was given; null while nobody decided. */
  tokenId: string | null
  denied: boolean
  isExpired: boolean
  intervalSeconds: number
  polledAt: Date | null
}

/** Letters that are not taken for each other, and make no words (RFC 8628, section 6.1). */
const letters = 'BCDFGHJKLMNPQRSTVWXZ'
const intervalSeconds = 5

/** Answers the secret of the client, and the code that a person types: 20^8 of them, for a few minutes. */
export async function add(
  db: Db,
  ask: Ask,
  expiresAt: Date,
): Promise<{ deviceCode: string; userCode: string; intervalSeconds: number }> {
  const deviceCode = `jkd_${randomBytes(32).toString('base64url')}`
  const userCode = Array.from({ length: 8 }, () => letters[randomInt(letters.length)]).join('')
  await db
    .insertInto('oauth_device')
    .values({
      hash: hashOf(deviceCode),
      user_code: userCode,
      client_id: ask.clientId,
      client_name: ask.clientName,
      device_name: ask.deviceName,
      resource: ask.resource,
      scopes: [...ask.scopes],
      expires_at: expiresAt,
      interval_seconds: intervalSeconds,
    })
    .execute()
  return { deviceCode, userCode, intervalSeconds }
}

/** The device that waits under a code. @param userCode as `userCodeOf` makes it */
export async function findWaiting(
  db: Db,
  userCode: string,
  now: Date,
): Promise<Device | undefined> {
  const row = await rows(db)
    .where('user_code', '=', userCode)
    .where('token_id', 'is', null)
    .where('denied', '=', false)
    .where('expires_at', '>', now)
    .executeTakeFirst()
  return row && toDevice(row, now)
}

/** Finds a device by its secret, and lets no other transaction have it meanwhile. */
export async function findByCode(
  db: Db,
  deviceCode: string,
  now: Date,
): Promise<Device | undefined> {
  const row = await rows(db).where('hash', '=', hashOf(deviceCode)).forUpdate().executeTakeFirst()
  return row && toDevice(row, now)
}

/** Notes that it asked. @param intervalSeconds that it has to wait from now on */
export async function notePoll(
  db: Db,
  deviceCode: string,
  now: Date,
  intervalSeconds: number,
): Promise<void> {
  await db
    .updateTable('oauth_device')
    .set({ polled_at: now, interval_seconds: intervalSeconds })
    .where('hash', '=', hashOf(deviceCode))
    .execute()
}

/** What the person said. False when somebody had decided before. @param tokenId null to deny */
export async function decide(db: Db, userCode: string, tokenId: string | null): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('oauth_device')
    .set({ token_id: tokenId, denied: tokenId === null })
    .where('user_code', '=', userCode)
    .where('token_id', 'is', null)
    .where('denied', '=', false)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

export async function remove(db: Db, deviceCode: string): Promise<void> {
  await db.deleteFrom('oauth_device').where('hash', '=', hashOf(deviceCode)).execute()
}

/** Forgets devices that waited until before `then`, and what was given to one that did not come for it. */
export async function forgetOld(db: Db, then: Date): Promise<void> {
  await db
    .deleteFrom('token')
    .using('oauth_device')
    .whereRef('oauth_device.token_id', '=', 'token.token_id')
    .where('oauth_device.expires_at', '<', then)
    .execute()
  await db.deleteFrom('oauth_device').where('expires_at', '<', then).execute()
}

const rows = (db: Db) => db.selectFrom('oauth_device').selectAll()

const toDevice = (
  row: Awaited<ReturnType<ReturnType<typeof rows>['execute']>>[number],
  now: Date,
): Device => ({
  ask: {
    clientId: row.client_id,
    clientName: row.client_name,
    deviceName: row.device_name,
    resource: row.resource,
    scopes: row.scopes,
  },
  userCode: row.user_code,
  tokenId: row.token_id,
  denied: row.denied,
  isExpired: row.expires_at <= now,
  intervalSeconds: row.interval_seconds,
  polledAt: row.polled_at,
})
