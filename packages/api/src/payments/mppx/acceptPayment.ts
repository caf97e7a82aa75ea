/**
 * Ways to pay in the order of an `Accept-Payment` header, without those that it refuses: "tempo/charge",
 * "tempo/*;q=0.5, tempo/session;q=0". All of them, as they come, when it says nothing that fits or can't be read.
 */
export function preferred<T extends { method: string; intent: string }>(
  ways: readonly T[],
  header: string | undefined,
): T[] {
  const entries = header?.split(',').map(entryOf) ?? []
  if (entries.includes(null)) return [...ways]
  const wanted = ways
    .map((way) => ({ way, q: qualityOf(way, entries as Entry[]) }))
    .filter(({ q }) => q > 0)
    .toSorted((a, b) => b.q - a.q)
    .map(({ way }) => way)
  return wanted.length > 0 ? wanted : [...ways]
}

interface Entry {
  method: string
  intent: string
  q: number
}

function entryOf(text: string): Entry | null {
  const match =
    /^\s*([a-z0-9-]+|\*)\s*\/\s*([a-z0-9-]+|\*)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?$/.exec(
      text,
    )
  if (!match) return null
  const [, method = '', intent = '', q = '1'] = match
  return { method, intent, q: Math.min(1, Number(q)) }
}

/** What is said most precisely counts, as in other headers of negotiation (RFC 9110, section 12.5.1). */
function qualityOf(way: { method: string; intent: string }, entries: Entry[]): number {
  const precision = ({ method, intent }: Entry) => Number(method !== '*') + Number(intent !== '*')
  const [best] = entries
    .filter(
      ({ method, intent }) =>
        ['*', way.method].includes(method) && ['*', way.intent].includes(intent),
    )
    .toSorted((a, b) => precision(b) - precision(a) || b.q - a.q)
  return best?.q ?? 0
}
