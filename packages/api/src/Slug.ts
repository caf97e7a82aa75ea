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
  for (let i = 0; i < 20; i++) {
    const tail = BigInt(`0x${sha256(`${seed} ${i}`).slice(0, 12)}`).toString(36)
    yield `${name}-${tail.slice(0, 3 + (i >> 2))}`
  }
}
