import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { billAfter, life, resealed, type Step, signed } from './bill.test.support.ts'
import type { Rule } from './Finding.ts'
import { type Bill, type Receipt, signedText } from './Receipt.ts'
import { verifyBill } from './verifyBill.ts'

/** Something of everything. */
const steps: Step[] = [
  { do: 'grant', microUsd: 1_000_000 },
  { do: 'execute' },
  { do: 'execute from session' },
  { do: 'deploy', project: 0 },
  { do: 'use', project: 0, requests: 100_001, cpu: 7, rows: 3 },
  { do: 'charge' },
  { do: 'fund', microUsd: 300_000 },
  { do: 'fund other', microUsd: 5_000 },
  { do: 'back' },
  { do: 'deploy once', project: 1 },
  { do: 'use', project: 0, requests: 50_000, cpu: 3, rows: 1 },
  { do: 'use', project: 1, requests: 2_000_000, cpu: 0, rows: 0 },
  { do: 'charge' },
  { do: 'refund', nth: 0, part: 40 },
  { do: 'charge' },
]
const honest = billAfter(steps)
const findingOf = async (bill: unknown) => {
  const verdict = await verifyBill(bill)
  return verdict.ok ? null : verdict.finding
}

test('what is hashed is the JSON without hash and signature, names in order, without white space', () => {
  const it = { hash: 'h', b: [1, { d: null, c: 'é"\n' }], signature: 's', a: true }
  expect(signedText(it)).toBe('{"a":true,"b":[1,{"c":"é\\"\\n","d":null}]}')
})

test('a bill of an honest cloud adds up, whatever happened', async () => {
  await fc.assert(
    fc.asyncProperty(life, async (steps) => {
      const bill = billAfter(steps)
      expect(await verifyBill(JSON.parse(JSON.stringify(bill)))).toMatchObject({
        ok: true,
        totals: { receipts: bill.receipts.length, without_detail: 0 },
      })
    }),
    { numRuns: 200 },
  )
})

test('totals say what was spent on what', async () => {
  expect(await verifyBill(honest)).toEqual({
    ok: true,
    totals: {
      account_id: 'acc_1',
      receipts: 13,
      from: '2026-11-21T12:10:00.000Z',
      until: '2026-11-21T14:20:00.000Z',
      spent_usd: expect.stringMatching(/^1\.\d{6}$/),
      by_reason: {
        grant: '1.000000',
        execution: '-0.020000',
        deploy: '-0.150000',
        runtime: expect.stringMatching(/^-1\.\d{6}$/),
        fund: '0.395000',
        withdrawal: '0.000001',
        refund: '0.004000',
      },
      balance_usd: expect.any(String),
      sessions: 1,
      taken_usd: '0.364999',
      without_detail: 0,
      key_ids: [honest.statement.key_id],
    },
  })
})

/** Every path to a value of a JSON document. */
function pathsOf(it: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof it !== 'object' || it === null) return [path]
  const inner = Object.entries(it).flatMap(([name, one]) =>
    pathsOf(one, [...path, Array.isArray(it) ? Number(name) : name]),
  )
  return path.length > 0 ? [path, ...inner] : inner
}

const at = (it: unknown, path: readonly (string | number)[]) =>
  // biome-ignore lint/suspicious/noExplicitAny: a walk through JSON
  path.reduce((one: any, name) => one[name], it)

function change(
  bill: Bill,
  path: readonly (string | number)[],
  make: (was: unknown) => unknown,
): Bill {
  const copy = structuredClone(bill)
  const [last, ...before] = path.toReversed()
  at(copy, before.toReversed())[last as string] = make(at(copy, path))
  return copy
}

/** Something else of the same kind that might go unnoticed, or anything at all. */
const other = (was: unknown): fc.Arbitrary<unknown> =>
  fc
    .oneof(
      fc.jsonValue(),
      fc.constant(null),
      typeof was === 'number' ? fc.nat(was + 5) : fc.constant(0),
      typeof was === 'string'
        ? fc
            .tuple(fc.nat(was.length), fc.constantFrom(...'0123456789abcdefAQgw-+/.=Z'))
            .map(([i, char]) => was.slice(0, i) + char + was.slice(i + 1))
        : fc.constant('x'),
    )
    .filter((it) => JSON.stringify(it) !== JSON.stringify(was))

test('any change of any field of any receipt is found, where it is', async () => {
  const paths = honest.receipts.flatMap((it, i) => pathsOf(it, ['receipts', i]))
  await fc.assert(
    fc.asyncProperty(
      fc
        .constantFrom(...paths)
        .chain((path) => other(at(honest, path)).map((value) => ({ path, value }))),
      async ({ path, value }) => {
        const finding = await findingOf(change(honest, path, () => value))
        const position = Number(path[1]) + 1
        expect(finding?.position).toBe(position)
      },
    ),
    { numRuns: 600 },
  )
})

test('a field that is taken away from a receipt, or put into it, is found', async () => {
  for (const [i, receipt] of honest.receipts.entries()) {
    for (const name of Object.keys(receipt)) {
      const bill = change(honest, ['receipts', i], (it) => ({
        ...(it as object),
        [name]: undefined,
      }))
      expect(await findingOf(JSON.parse(JSON.stringify(bill)))).toMatchObject({ position: i + 1 })
    }
    const bill = change(honest, ['receipts', i], (it) => ({ ...(it as object), more: 1 }))
    expect(await findingOf(bill)).toMatchObject({ rule: 'hash', position: i + 1 })
  }
})

test('any change of the statement or a key is found', async () => {
  const paths = [...pathsOf(honest.statement, ['statement']), ...pathsOf(honest.keys, ['keys'])]
  await fc.assert(
    fc.asyncProperty(
      fc
        .constantFrom(...paths)
        .chain((path) => other(at(honest, path)).map((value) => ({ path, value }))),
      async ({ path, value }) => {
        expect(await findingOf(change(honest, path, () => value))).not.toBe(null)
      },
    ),
    { numRuns: 500 },
  )
})

test('a receipt that is removed, moved or there twice is found', async () => {
  const count = honest.receipts.length
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('remove', 'move', 'double', 'cut'),
      fc.nat(count - 1),
      fc.nat(count - 1),
      async (how, from, to) => {
        const receipts = [...honest.receipts]
        const [it] = how === 'double' ? [receipts[from]] : receipts.splice(from, 1)
        if (how === 'cut') receipts.splice(from)
        if (how === 'move' || how === 'double') receipts.splice(to, 0, it as Receipt)
        fc.pre(JSON.stringify(receipts) !== JSON.stringify(honest.receipts))
        expect(await findingOf({ ...honest, receipts })).not.toBe(null)
      },
    ),
    { numRuns: 300 },
  )
})

test.each([null, 1, 'x', [], {}, { format: 1 }, { ...honest, format: 2 }, { ...honest, keys: [] }])(
  'what is no bill is no bill: %#',
  async (it) => {
    expect(await findingOf(it)).toMatchObject({ position: expect.toBeOneOf([null, 1]) })
  },
)

test('a signature of another key does not count, nor a key under the name of another', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const forged = signed(honest.receipts[0] as Receipt, privateKey)
  expect(await findingOf(change(honest, ['receipts', 0], () => forged))).toMatchObject({
    rule: 'signature',
    position: 1,
  })
  const { x } = publicKey.export({ format: 'jwk' })
  const keys = honest.keys.map((it) => ({ ...it, x }))
  expect(await findingOf({ ...honest, keys })).toMatchObject({ rule: 'key', position: null })
})

const first = (bill: Bill, reason: string) =>
  bill.receipts.find((it) => it.reason === reason) as Receipt
const set = (reason: string, change: Partial<Receipt>) => (bill: Bill) =>
  Object.assign(first(bill, reason), change)
const setNth = (nth: number, change: Partial<Receipt>) => (bill: Bill) =>
  Object.assign(bill.receipts[nth] as Receipt, change)
const setDetail =
  (change: object, more: Partial<Receipt> = {}) =>
  (bill: Bill) => {
    const { detail } = first(bill, 'runtime')
    set('runtime', { ...more, detail: { ...detail, ...change } as Receipt['detail'] })(bill)
  }
const setTold = (change: Partial<Bill['statement']>) => (bill: Bill) =>
  Object.assign(bill.statement, change)
const setSession = (change: object) => (bill: Bill) =>
  Object.assign(bill.statement.sessions[0] as object, change)
const closed = (captured_usd: string, refunded_usd: string) =>
  setSession({ status: 'closed', close: { tx_hash: null, captured_usd, refunded_usd } })

/** What a cloud that has the key could try, and the rule that finds it. */
const frauds: [Rule, string, (bill: Bill) => unknown][] = [
  ['price', 'a dearer execution', set('execution', { amount_usd: '-0.020000' })],
  ['price', 'a dearer deploy', set('deploy', { amount_usd: '-0.060000' })],
  ['runtime', 'dearer runtime', set('runtime', { amount_usd: '-0.060000' })],
  ['runtime', 'a price for what is not counted', setDetail({ requests: 1 })],
  ['runtime', 'a remainder that is lost', setDetail({ carried_out_nano_usd: '0' })],
  ['carry', 'a remainder from nowhere', setDetail({ carried_in_nano_usd: '5' })],
  [
    'included',
    'what a deploy brought is not used',
    setDetail({ included_nano_usd: '0' }, { amount_usd: '-0.050005' }),
  ],
  [
    'included',
    'a deploy brings too little',
    set('deploy', { detail: { included_usd: '0.001000' } }),
  ],
  [
    'included',
    'more is given than was brought, to whom it should not be',
    setDetail({ included_nano_usd: '20000000' }, { amount_usd: '-0.030005' }),
  ],
  ['detail', 'runtime that says nothing', set('runtime', { detail: null })],
  [
    'detail',
    'an execution that says too much',
    set('execution', { detail: { included_usd: '0.010000' } }),
  ],
  ['direction', 'a charge that comes in', set('execution', { amount_usd: '0.010000' })],
  ['direction', 'a grant of nothing', set('grant', { amount_usd: '0.000000' })],
  ['refund', 'a refund of nothing that was charged', set('refund', { refund_of: 'id_99' })],
  ['refund', 'a refund of more than there was', set('refund', { amount_usd: '0.010001' })],
  ['fund', 'funding from nowhere', set('fund', { session_id: null, ref: null })],
  ['session', 'money of a session that nobody knows', setTold({ sessions: [] })],
  ['once', 'the same work twice', setNth(2, { receipt_id: 'id_2' })],
  ['account', "somebody else's receipt", setNth(2, { account_id: 'acc_2' })],
  ['balance', 'a balance that is not the sum', set('runtime', { balance_usd: '0.000001' })],
  ['balance', 'a session that is a balance', setNth(2, { balance_usd: '0.000001' })],
  ['total', 'another balance than that of the receipts', setTold({ held_usd: '0.000001' })],
  ['taken', 'more taken than paid', setSession({ taken_usd: '0.365000' })],
  ['authorized', 'more taken than authorized', setSession({ authorized_usd: '0.000001' })],
  ['authorized', 'more authorized than deposited', setSession({ deposit_usd: '0.364999' })],
  ['closed', 'more captured than taken', closed('0.365000', '0.000001')],
  ['closed', 'less given back than was left', closed('0.364999', '0.000001')],
]

test.each(frauds)(
  'a cloud that signs what is wrong is found by the rule "%s": %s',
  async (rule, _, commit) => {
    const bill = structuredClone(honest)
    commit(bill)
    expect(await findingOf(resealed(bill))).toMatchObject({ rule })
  },
)

test('what is older than receipts counts, though nobody knows what it is made of', async () => {
  const bill = structuredClone(honest)
  for (const it of bill.receipts) if (it.position <= 5) it.detail = null
  expect(await verifyBill(resealed(bill))).toMatchObject({
    ok: true,
    totals: { without_detail: 2 },
  })
})
