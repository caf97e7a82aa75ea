import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { outcomeOf, program, underAttack } from '../testing/attack.ts'
import { challengesOf, type Handmade } from '../testing/handmade.ts'

// What might be tried at the URL of an app that waits for money.

const us = underAttack()
/** An app that tells what it got of a request. */
const curious = (name: string) => ({
  name,
  files: {
    'index.js': 'export default { fetch: (req) => Response.json([...req.headers]) }',
  },
})

async function suspended(owner: Handmade, name: string) {
  const channel = await us.open(owner)
  const { json } = await us.http.pay('POST', '/deploy', curious(name), ({ session }) =>
    owner.promise(session, channel, 60_000n),
  )
  const starve = async () => {
    await sql`update project set included_micro_usd = 0 where project_id = ${json.project_id}`.execute(
      us.cloud.jack.db,
    )
    await expect.poll(async () => (await us.cloud.live(json.url)).status).toBe(402)
  }
  await starve()
  return { url: json.url as string, projectId: json.project_id as string, starve }
}

const pay = (url: string, authorization: string, method = 'GET') =>
  us.cloud.live(url, { method, headers: { authorization } })

test('a payment is taken once, for this app, and shown to no app', async () => {
  const [owner, visitor] = [await us.wallet(), await us.wallet()]
  const [app, other] = [await suspended(owner, 'one'), await suspended(await us.wallet(), 'two')]
  const refused = await us.cloud.live(app.url)
  expect(refused.headers['cache-control']).toContain('no-store')
  const { session } = challengesOf(refused)
  const channel = await us.open(visitor)
  const authorization = await visitor.promise(session, channel, 110_000n)
  expect(outcomeOf(await pay(other.url, authorization))).toBe('invalid-challenge')
  expect((await us.http.send('POST', '/execute', program, { authorization })).status).toBe(402)

  const [first, ...rest] = await Promise.all(
    Array.from({ length: 20 }, () => pay(app.url, authorization)),
  )
  for (const answer of [first, ...rest]) expect(answer?.text).not.toContain('Payment ')
  // The app is up: what comes late is not for it.
  const late = await pay(app.url, authorization)
  expect(late.status).toBe(200)
  expect(late.text).not.toContain('authorization')
  await us.settled()
  expect(await us.session(channel)).toMatchObject({ committedMicroUsd: 110_000n })
  const foreign = `Payment ${Buffer.from('{"challenge":{"id":"theirs"}}').toString('base64url')}`
  expect((await pay(app.url, foreign)).text).toContain(foreign)
})

test('a visitor who pays by a charge, many times at once, pays once', async () => {
  const [owner, visitor] = [await us.wallet(), await us.wallet()]
  const app = await suspended(owner, 'charged')
  const { charge } = challengesOf(await us.cloud.live(app.url))
  const authorization = await visitor.charge(charge)
  const answers = await Promise.all(Array.from({ length: 20 }, () => pay(app.url, authorization)))
  expect(answers.filter((it) => it.headers['payment-receipt']).length).toBeGreaterThan(0)
  expect(await us.credited(owner)).toBe(100_000n)
  expect(await us.credited(visitor)).toBe(0n)
})

test('forged payments at a URL are soon not looked at any more', async () => {
  const app = await suspended(await us.wallet(), 'flooded')
  const statuses = new Set<number>()
  for (let i = 0; i < 1_300; i++) statuses.add((await pay(app.url, 'Payment e30')).status)
  expect([...statuses].sort()).toEqual([402, 429])
})
