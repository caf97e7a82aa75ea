import { Credential } from 'mppx'
import { describe, expect, test } from 'vitest'
import { outcomeOf, program, underAttack } from '../testing/attack.ts'

// What might be tried to keep a cloud busy with payments that are none, and to make it stumble over them.

const us = underAttack({ JACK_REQUESTS_PER_MINUTE: '20000', JACK_TRUSTED_PROXIES: '1' })
/** The client as a proxy saw it. */
const from = (address: string) => ({ 'x-forwarded-for': address })
const encoded = (json: string | object) =>
  `Payment ${Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)).toString('base64url')}`

/** A credential as what it says, to be changed and sent again. */
const said = (credential: string) =>
  JSON.parse(Buffer.from(credential.slice(8), 'base64url').toString()) as {
    challenge: Record<string, unknown>
    payload: Record<string, unknown>
    [key: string]: unknown
  }

test('ten thousand payments that are none are mostly not looked at, and others pay meanwhile', async () => {
  const it = await us.wallet()
  const flood = from('6.6.6.6')
  const statuses = new Map<number, number>()
  const one = async (i: number) => {
    const authorization = encoded({ challenge: { id: `${i}` }, payload: {} })
    const { status } = await us.http.send('POST', '/execute', program, { ...flood, authorization })
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
  const flooding = Promise.all(
    Array.from({ length: 100 }, async (_, worker) => {
      for (let i = 0; i < 100; i++) await one(worker * 100 + i)
    }),
  )
  const paid = await us.http.pay(
    'POST',
    '/execute',
    program,
    ({ charge }) => it.charge(charge),
    from('7.7.7.7'),
  )
  expect(paid.status).toBe(200)
  await flooding
  expect(statuses.get(402)).toBeLessThan(1_000)
  expect(statuses.get(429)).toBeGreaterThan(9_000)
  expect(statuses.size).toBe(2)

  // Whoever shares the address can still ask, and use a token.
  expect((await us.http.send('POST', '/execute', program, flood)).status).toBe(402)
  const token = { authorization: `Bearer ${us.cloud.token}`, ...flood }
  expect((await us.http.send('POST', '/execute', program, token)).status).toBe(200)
  const late = await us.http.pay(
    'POST',
    '/execute',
    program,
    ({ charge }) => it.charge(charge),
    flood,
  )
  expect(late.status).toBe(429)
  expect(late.headers['www-authenticate']).toBe(undefined)
  expect(late.headers['retry-after']).toBeTruthy()
}, 180_000)

describe('what is no credential', () => {
  const deep = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
  const junk: [string, () => string][] = [
    ['nothing', () => 'Payment '],
    ['spaces', () => `Payment ${' '.repeat(5_000)}`],
    ['no base64', () => 'Payment ~~~~'],
    ['no JSON', () => encoded('{')],
    ['null', () => encoded('null')],
    ['a number', () => encoded('1e999')],
    ['an array', () => encoded('[]')],
    ['a challenge that is text', () => encoded({ challenge: 'x', payload: {} })],
    ['arrays in arrays', () => encoded(deep(5_000))],
    ['arrays in arrays in a challenge', () => encoded(`{"challenge":${deep(5_000)},"payload":{}}`)],
    [
      'bytes that are no text',
      () => `Payment ${Buffer.from([0xff, 0xfe, 0x00]).toString('base64url')}`,
    ],
    ['several', () => 'Payment a, Payment b'],
    ['two schemes', () => 'Payment a, Bearer b'],
  ]
  for (const [what, make] of junk) {
    test(`but ${what} is refused as such`, async () => {
      const authorization = make()
      const answer = await us.http.send('POST', '/execute', program, {
        ...from('8.8.8.8'),
        authorization,
      })
      expect([401, 402]).toContain(answer.status)
      expect(answer.json.code).not.toBe('internal')
    })
  }

  test('is refused however a real one was changed', async () => {
    const it = await us.wallet()
    const { session } = await us.http.ask('POST', '/execute', program)
    const real = await it.open(session, await it.channel(session))
    const polluted = (key: string) => `{"${key}":{"isAdmin":true,"amount":"0"}}`
    const long = 'x'.repeat(3_000)
    const changes: [string, (it: ReturnType<typeof said>) => unknown][] = [
      ['nothing to it', (it) => ({ ...it, payload: {} })],
      ['a list of them', (it) => [it, it]],
      [
        'a challenge in arrays',
        (it) => ({
          ...it,
          challenge: {
            ...it.challenge,
            request: Buffer.from(`{"a":${deep(1_000)}}`).toString('base64url'),
          },
        }),
      ],
      [
        'many keys',
        (it) => ({
          ...it,
          challenge: {
            ...it.challenge,
            request: Buffer.from(
              JSON.stringify(
                Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}`, i])),
              ),
            ).toString('base64url'),
          },
        }),
      ],
      [
        'an opaque that is none',
        (it) => ({ ...it, challenge: { ...it.challenge, opaque: 'e30' } }),
      ],
      [
        'an opaque with a number in it',
        (it) => ({ ...it, challenge: { ...it.challenge, opaque: { scope: 1 } } }),
      ],
      ['a long id', (it) => ({ ...it, challenge: { ...it.challenge, id: long } })],
      [
        'an action that is none',
        (it) => ({ ...it, payload: { ...it.payload, action: '__proto__' } }),
      ],
      [
        'an action that is a list',
        (it) => ({ ...it, payload: { ...it.payload, action: ['open'] } }),
      ],
      [
        'a channel that is an object',
        (it) => ({ ...it, payload: { ...it.payload, channelId: { toString: 'x' } } }),
      ],
      [
        'a transaction that is long',
        (it) => ({ ...it, payload: { ...it.payload, transaction: `0x76${'c0'.repeat(2_000)}` } }),
      ],
      [
        'a transaction of nothing',
        (it) => ({ ...it, payload: { ...it.payload, transaction: '0x' } }),
      ],
      [
        'a transaction that says that it is longer',
        (it) => ({ ...it, payload: { ...it.payload, transaction: '0x76fbffffffffffffffff' } }),
      ],
      [
        'a signature that is long',
        (it) => ({ ...it, payload: { ...it.payload, signature: `0x02${'7b'.repeat(2_000)}` } }),
      ],
      ['a descriptor without', (it) => ({ ...it, payload: { ...it.payload, descriptor: {} } })],
      [
        'a descriptor of prototypes',
        (it) => ({
          ...it,
          payload: { ...it.payload, descriptor: JSON.parse(polluted('__proto__')) },
        }),
      ],
    ]
    for (const [what, change] of changes) {
      const authorization = encoded(change(said(real)) as object)
      const answer = await us.http.send('POST', '/execute', program, {
        ...from('9.9.9.9'),
        authorization,
      })
      expect([what, [401, 402, 410].includes(answer.status), answer.json?.code]).not.toEqual([
        what,
        false,
        'internal',
      ])
      expect([what, answer.status < 400]).toEqual([what, false])
    }
    expect(({} as Record<string, unknown>).isAdmin).toBe(undefined)
    const still = await us.http.send('POST', '/execute', program, {
      ...from('9.9.9.9'),
      authorization: real,
    })
    expect(still.status).toBe(200)
  })

  test('is refused by its size before anything is read', async () => {
    const answer = await us.http
      .send('POST', '/execute', program, { authorization: `Payment ${'A'.repeat(60_000)}` })
      .catch((error) => ({ status: error.code as string }))
    expect([431, 'UND_ERR_SOCKET', 'ECONNRESET']).toContain(answer.status)
  })
})

test('keys of objects are keys: a credential with prototypes in it says what it says', async () => {
  const it = await us.wallet()
  const { charge } = await us.http.ask('POST', '/execute', program)
  const real = said(await it.charge(charge))
  const request = JSON.parse(Buffer.from(real.challenge.request as string, 'base64url').toString())
  for (const key of ['__proto__', 'constructor', 'prototype']) {
    const text = JSON.stringify(request).replace(
      '{',
      `{"${key}":{"amount":"1","recipient":"0x00"},`,
    )
    const challenge = { ...real.challenge, request: Buffer.from(text).toString('base64url') }
    const answer = await us.http.send('POST', '/execute', program, {
      ...from('5.5.5.5'),
      authorization: encoded({ ...real, challenge }),
    })
    // Either it is none of ours, or exactly ours: never a mixture.
    expect(['invalid-challenge', 200, 'conflict']).toContain(outcomeOf(answer))
  }
  expect(Credential.deserialize(encoded(real)).challenge.id).toBe(charge.id)
})
