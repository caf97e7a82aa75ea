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
  const name = login
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, mostNamedChars)
    .replace(/^-+|-+$/g, '')
  if (name !== '' && !reserved.has(name)) yield name
  yield* withTails(name === '' ? 'person' : name, seed, sha256)
}

/** Room for the name of a project in a DNS label of 63. */
const mostNamedChars = 24
/** What would be mistaken for us, for the account of a local cloud, or for the URL of a version. */
const reserved = new Set([
  ...['local', 'dep', 'api', 'jack', 'www', 'admin', 'mcp', 'oauth'],
  ...['login', 'sign-in', 'account', 'support', 'security', 'status', 'docs', 'person'],
])

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
