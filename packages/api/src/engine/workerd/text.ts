/** A Cap'n Proto text literal. */
export function quote(text: string): string {
  const escaped = text.replace(/["\\]|\p{Cc}/gu, (char) =>
    char === '"' || char === '\\'
      ? `\\${char}`
      : [...Buffer.from(char)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(''),
  )
  return `"${escaped}"`
}
