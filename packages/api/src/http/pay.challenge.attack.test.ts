import { connect } from 'node:net'
import { Challenge } from 'mppx'
import { afterEach, describe, expect, test } from 'vitest'
import { outcomeOf, program, underAttack } from '../testing/attack.ts'
import type { Handmade } from '../testing/handmade.ts'
import { sweep } from '../verbs/sweep.ts'

// What might be tried with challenges: which the client keeps for us, and we know again by their signature.

const secrets = { now: 'n'.repeat(40), before: 'b'.repeat(40) }
const us = underAttack({
  JACK_MPP_SECRET: `${secrets.now},${secrets.before}`,
  JACK_PUBLIC_URL: 'https://jack.example',
  JACK_DOMAIN: 'jack.example',
})
const clock = () => us.cloud.jack
const realNow = () => new Date()
afterEach(() => {
  clock().now = realNow
})
const minutesLater = (minutes: number) => {
  clock().now = () => new Date(Date.now() + minutes * 60_000)
}

type Change = Partial<Omit<Challenge.Challenge, 'id'>>

/** The challenge of a request as we would have made it otherwise, and signed with this key. */
async function remade(secretKey: string, change: Change = {}, body: unknown = program) {
  const { charge } = await us.http.ask('POST', '/execute', body)
  const { id: _, opaque, ...rest } = charge
  return Challenge.from({ ...rest, ...(opaque && { opaque }), ...change, secretKey } as never)
}

async function payWith(who: Handmade, challenge: Challenge.Challenge, body: unknown = program) {
  const authorization = await who.charge(challenge)
  return us.http.send('POST', '/execute', body, { authorization })
}

describe('a challenge', () => {
  test('that a retired key signed counts while it is in the list, and that of another server never', async () => {
    const it = await us.wallet()
    expect((await payWith(it, await remade(secrets.before))).status).toBe(200)
    const foreign = await payWith(it, await remade('o'.repeat(40)))
    expect(outcomeOf(foreign)).toBe('invalid-challenge')
    const unsigned = await payWith(it, { ...(await remade(secrets.now)), id: 'mine' })
    expect(outcomeOf(unsigned)).toBe('invalid-challenge')
  })

  const request = async () => (await us.http.ask('POST', '/execute', program)).charge.request
  const wrong: [string, () => Promise<Change>, string][] = [
    [
      'of a price that was',
      async () => ({ request: { ...(await request()), amount: '1' } }),
      'invalid-challenge',
    ],
    [
      'of another payee',
      async () => ({ request: { ...(await request()), recipient: `0x${'1'.repeat(40)}` } }),
      'invalid-challenge',
    ],
    [
      'of another token',
      async () => ({ request: { ...(await request()), currency: `0x${'1'.repeat(40)}` } }),
      'invalid-challenge',
    ],
    [
      'of another chain',
      async () => ({ request: { ...(await request()), methodDetails: { chainId: 4217 } } }),
      'invalid-challenge',
    ],
    ['of another way to pay', async () => ({ method: 'stripe' }), 'invalid-challenge'],
    ['of a subscription', async () => ({ intent: 'subscription' }), 'invalid-challenge'],
    ['for any body', async () => ({ digest: undefined as never }), 'invalid-challenge'],
    [
      'for any route',
      async () => ({ opaque: undefined as never, meta: undefined as never }),
      'invalid-challenge',
    ],
    ['for good', async () => ({ expires: undefined as never }), 'invalid-challenge'],
    [
      'that has expired',
      async () => ({ expires: new Date(Date.now() - 1_000).toISOString() }),
      'payment-expired',
    ],
  ]
  for (const [what, change, outcome] of wrong) {
    test(`${what} pays nothing, also when we had made it`, async () => {
      const it = await us.wallet()
      const challenge = await remade(secrets.now, await change())
      const answer = await payWith(it, challenge)
      expect(outcomeOf(answer)).toBe(outcome)
      expect(answer.headers['www-authenticate']).toContain('Payment ')
    })
  }

  test('is changed in no part without being noticed', async () => {
    const it = await us.wallet()
    const { charge } = await us.http.ask('POST', '/execute', program)
    const changes: Change[] = [
      { realm: 'jack.example.evil' },
      { realm: `jack.example|tempo` },
      { intent: 'session' },
      { method: 'evm' },
      { expires: new Date(Date.now() + 9e9).toISOString() },
      { digest: 'sha-256=AAAA' },
      { digest: `${charge.digest}|` },
      { header: 'x-payment' } as Change,
      { opaque: Buffer.from('{"scope":"POST /deploy"}').toString('base64url') },
      { request: { ...charge.request, amount: '1' } },
      { request: { ...charge.request, extra: 'x' } },
    ]
    for (const change of changes) {
      const answer = await payWith(it, { ...charge, ...change } as Challenge.Challenge)
      expect([change, outcomeOf(answer)]).toEqual([change, 'invalid-challenge'])
    }
  })

  test('of one price does not pay another, nor that of one body another', async () => {
    const it = await us.wallet()
    const cheap = { amount_usd: '0.01' }
    const { charge, session } = await us.http.ask('POST', '/v1/balance', cheap)
    for (const authorization of [
      await it.charge(charge),
      await it.open(session, await it.channel(session)),
    ]) {
      const answer = await us.http.send(
        'POST',
        '/v1/balance',
        { amount_usd: '9' },
        { authorization },
      )
      expect(outcomeOf(answer)).toBe('invalid-challenge')
    }
    const [a, b] = [
      await us.http.ask('POST', '/execute', program),
      await us.http.ask('POST', '/execute', { ...program, input: 1 }),
    ]
    const swapped = await us.http.send('POST', '/execute', program, {
      authorization: await it.charge(b.charge),
    })
    expect(outcomeOf(swapped)).toBe('invalid-challenge')
    const crossed = await us.http.send('POST', '/execute', program, {
      authorization: await it.open(a.charge, await it.channel(a.session), 10_000n),
    })
    expect(outcomeOf(crossed)).toBe('verification-failed')
    expect(await us.credited(it)).toBe(0n)
  })
})

describe('a clock', () => {
  test('that runs on makes challenges expire, and one that is set back makes no proof new', async () => {
    const it = await us.wallet()
    const { charge } = await us.http.ask('GET', '/v1/projects')
    const authorization = await it.prove(charge)
    const send = () => us.http.send('GET', '/v1/projects', undefined, { authorization })
    minutesLater(4.9)
    expect((await send()).status).toBe(200)
    minutesLater(5.1)
    expect(outcomeOf(await send())).toBe('payment-expired')
    await sweep(clock())
    minutesLater(-1)
    expect(outcomeOf(await send())).toBe('invalid-challenge')
    minutesLater(120)
    await sweep(clock())
    const left = await us.cloud.jack.db.selectFrom('spent_challenge').selectAll().execute()
    expect(left).toEqual([])
  })
})

describe('a realm', () => {
  const realmAt = async (host: string) => {
    const { charge } = await us.http.ask('GET', '/v1/projects', undefined, { host })
    return charge.realm
  }

  test('is never a name that somebody else might have', async () => {
    for (const host of [
      '6.6.6.6',
      '6.6.6.6:443',
      '[2001:db8::6]',
      '127.0.0.1',
      '10.0.0.1:8787',
      '0.0.0.0',
    ])
      expect([host, await realmAt(host)]).toEqual([host, 'jack.example'])
    for (const host of ['jack.example', 'jack.example:8787', 'JACK.example', 'jack.example.'])
      expect([host, (await realmAt(host)).replace(/\.$/, '')]).toEqual([host, 'jack.example'])
    expect(await realmAt('api.jack.example')).toBe('api.jack.example')
  })

  test('and scope are what they are, with whatever is in a host, a path or a query', async () => {
    const raw = (head: string) =>
      new Promise<string>((resolve, reject) => {
        const socket = connect(us.cloud.port, '127.0.0.1')
        let said = ''
        socket.on('data', (data) => {
          said += data
        })
        socket.on('close', () => resolve(said))
        socket.on('error', reject)
        socket.end(head)
      })
    const hosts = [
      'a"b',
      'a\\"b',
      'x, Payment id="1"',
      'jack.example, Bearer realm="x"',
      '\u00e9',
      'a b',
      'a%0d%0ab',
      '',
    ]
    for (const host of hosts) {
      const said = await raw(
        `GET /v1/projects HTTP/1.1\r\nhost: ${host}\r\naccept-payment: tempo/*\r\nconnection: close\r\n\r\n`,
      )
      expect([host, said.includes('Payment id="1"'), said.includes('Bearer realm="x"')]).toEqual([
        host,
        false,
        false,
      ])
    }
    const paths = [
      '/v1/projects?a="b"',
      '/v1/projects?a=%0d%0aset-cookie:%20x',
      '/v1/projects?limit=5&limit=6',
      '/v1/projects/%22%0d%0a',
      '/v1/projects/..%2f..%2fexecute',
    ]
    for (const path of paths) {
      const said = await raw(
        `GET ${path} HTTP/1.1\r\nhost: jack.example\r\naccept-payment: tempo/*\r\nconnection: close\r\n\r\n`,
      )
      expect(said.split('\r\n\r\n')[0]).not.toMatch(/^set-cookie/im)
      expect((said.match(/^www-authenticate/gim) ?? []).length).toBeLessThan(2)
    }
  })
})
