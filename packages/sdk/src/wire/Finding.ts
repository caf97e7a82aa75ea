/** Everything that has to hold of a bill, in words. */
export const rules = {
  fields: 'everything has its fields, in their form',
  key: 'what is signed names one of the keys, and the id of a key is its thumbprint',
  position: 'positions are 1, 2, 3 ... without a gap',
  account: 'every receipt is of the account that the statement is of',
  chain: 'a receipt names the hash of the one before',
  hash: 'the hash is that of what is written',
  signature: 'the signature is over the hash, by the key that is named',
  once: 'nothing has two receipts',
  direction:
    'charges and withdrawals go out of what they are of; grants, funding and refunds come in',
  balance: 'the balance after a receipt is the sum of all up to it',
  session: 'money of sessions is of sessions that the statement names',
  detail: 'a charge for runtime says what was used, and a deploy what it brings along',
  price: 'executions and deploys cost their list price',
  runtime: 'runtime costs its list price, less what is included, and no remainder is lost',
  carry: 'a charge for runtime begins with what the one before left over',
  included: 'what deploys bring along is used first, and nothing beyond it is given',
  refund: 'refunds give back an earlier charge, and no more than it was',
  fund: 'funding names the session or the transaction that it came from',
  statement: 'the statement is made at the last receipt',
  total: 'the balance that is told is what the receipts add up to',
  taken: 'what is taken of a session is what its receipts add up to',
  authorized:
    'no more is taken of a session than vouchers authorize, and no more of that than deposited',
  closed: 'of a closed session no more was captured than is taken, and everything else went back',
} as const
export type Rule = keyof typeof rules

/** A receipt; null when it is the statement or a key. */
export interface Place {
  position: number | null
  receipt_id: string | null
}

/** The statement, or a key. */
export const nowhere: Place = { position: null, receipt_id: null }

/** The first thing that does not add up. */
export interface Finding extends Place {
  rule: Rule
  expected: string
  found: string
}

export class Wrong extends Error {
  readonly finding: Finding

  constructor(finding: Finding) {
    super(rules[finding.rule])
    this.finding = finding
  }
}

type Value = string | number | bigint | null

/** Throws `Wrong` unless both are the same. */
export function same(rule: Rule, place: Place, expected: Value, found: Value): void {
  if (expected !== found) wrong(rule, place, expected, found)
}

export function wrong(rule: Rule, place: Place, expected: Value, found: Value): never {
  const { position, receipt_id } = place
  const text = (it: Value) => String(it ?? 'nothing')
  throw new Wrong({ rule, position, receipt_id, expected: text(expected), found: text(found) })
}
