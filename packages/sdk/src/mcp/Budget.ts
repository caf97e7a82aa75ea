/** Bytes of a token, on the safe side: JSON of names, ids and times has more tokens than prose. */
const bytesPerToken = 3

const encoder = new TextEncoder()

/** About how many tokens a value is as JSON. */
export const tokensOf = (value: unknown): number =>
  Math.ceil(encoder.encode(JSON.stringify(value)).length / bytesPerToken)

/**
 * How many items, from the first on, fit into so many tokens; at least one, when there is one, so that whoever reads on
 * gets on.
 */
export function fitting(items: readonly unknown[], tokens: number): number {
  let left = tokens
  const over = items.findIndex((it) => {
    left -= tokensOf(it) + 1
    return left < 0
  })
  return over < 0 ? items.length : Math.max(over, Math.min(1, items.length))
}

/**
 * The beginning of a text, in about so many tokens, and how much is missing.
 *
 * @example clipped('a'.repeat(1_000), 10) // 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa … (970 more characters)'
 */
export function clipped(text: string, tokens: number): string {
  const most = tokens * bytesPerToken
  if (text.length <= most) return text
  return `${text.slice(0, most).toWellFormed()} … (${text.length - most} more characters)`
}
