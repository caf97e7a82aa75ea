import { slugLength } from '@jackcloud/sdk/wire'
import { adjectives, animals, uniqueNamesGenerator } from 'unique-names-generator'

/**
 * Names for the account of a wallet: "brave-otter", and when that is taken "brave-otter-x3k". The same wallet gets the
 * same ones everywhere.
 *
 * @param seed such as the wallet's address
 */
export function* slugsOf(seed: string, sha256: (text: string) => string): Generator<string> {
  const name = uniqueNamesGenerator({ dictionaries: [adjectives, animals], separator: '-', seed })
    .toLowerCase()
    .replace(/[^a-z]+/g, '-')
  yield name
  yield* withTails(name, seed, sha256)
}

/**
 * Names for the account of somebody who has one elsewhere: "octocat", and when that is taken "octocat-x3k".
 *
 * @param login as it is there
 * @param seed what tells two of the same login apart
 */
export function* slugsNamed(
  login: string,
  seed: string,
  sha256: (text: string) => string,
): Generator<string> {
  const name = login.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  const fitting = cut(name, slugLength)
  const isFree = fitting !== '' && !/^(dep|local)(-|$)/.test(fitting) && !reserved.has(fitting)
  if (isFree) yield fitting
  yield* withTails(cut(isFree ? name : 'person', slugLength - longestTail), seed, sha256)
}

/** Names that begin like these would be mistaken for the URL of a version, or a cloud of one's own; these for us. */
const reserved = new Set([
  ...['api', 'jack', 'www', 'admin', 'mcp', 'oauth', 'login', 'sign-in'],
  ...['account', 'support', 'security', 'status', 'docs', 'person'],
])

const cut = (name: string, chars: number): string => name.slice(0, chars).replace(/^-+|-+$/g, '')

const longestTail = '-1234567'.length

function* withTails(
  name: string,
  seed: string,
  sha256: (text: string) => string,
): Generator<string> {
  for (let i = 0; i < 20; i++) {
    const tail = BigInt(`0x${sha256(`${seed} ${i}`).slice(0, 12)}`).toString(36)
    yield `${name}-${tail.slice(0, 3 + (i >> 2))}`
  }
}
