// ECMA-48: CSI sequences, strings such as OSC that have an end, other two-character sequences. A string ends where the
// next begins, so that a text of nothing but beginnings is read once.
const escapes =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must go
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|(?:\u001b[PX\]^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u0090\u0098\u009c-\u009f]*(?:\u0007|\u001b\\|\u009c)|\u001b[ -/]*[0-~]?/g

// Controls but for tab and line feed, what turns the direction of text, and what nobody sees.
const unseen =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must go
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu

/** What programs of others print, as text that steers no terminal and hides nothing from people. */
export const plain = (text: string): string => text.replace(escapes, '').replace(unseen, '')

/** The same of every text in a value, the names of its fields included. */
export function plainly<T>(value: T): T
export function plainly(value: unknown): unknown {
  if (typeof value === 'string') return plain(value)
  if (Array.isArray(value)) return value.map(plainly)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, it]) => [plain(key), plainly(it)]))
}

/** JSON that says the same, and steers no terminal either: of controls, it escapes only the first 32 by itself. */
export const plainJson = (value: unknown): string =>
  JSON.stringify(value).replace(unseen, (char) =>
    [...Array(char.length).keys()]
      .map((at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`)
      .join(''),
  )
