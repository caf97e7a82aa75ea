/**
 * The statements of an SQL text in SQLite's dialect, without what is empty or only a comment. The body of a trigger
 * stays in one piece.
 *
 * @example statementsOf("insert into t values ('a;b'); select 1 -- one") // ["insert into t values ('a;b')", 'select 1 -- one']
 */
export function statementsOf(sql: string): string[] {
  const statements: string[] = []
  let start = 0
  let words: string[] = []
  let isEmpty = true
  // Of BEGIN and CASE inside of a trigger.
  let depth = 0
  const end = (at: number) => {
    if (!isEmpty) statements.push(sql.slice(start, at).trim())
    start = at + 1
    words = []
    isEmpty = true
    depth = 0
  }
  token.lastIndex = 0
  for (let found = token.exec(sql); found; found = token.exec(sql)) {
    const [text] = found
    if (text === ';') {
      if (depth === 0) end(found.index)
      continue
    }
    if (/^(--|\/\*)/.test(text)) continue
    isEmpty = false
    if (!/^[a-z_]/i.test(text)) continue
    const word = text.toLowerCase()
    if (words.length < 3) words.push(word)
    if (words[0] !== 'create' || !words.slice(1).includes('trigger')) continue
    if (word === 'begin' || word === 'case') depth++
    if (word === 'end') depth--
  }
  end(sql.length)
  return statements
}

/** A comment, something in quotes (a doubled quote is two of them side by side), a word, a semicolon, or anything else. */
const token =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'[^']*(?:'|$)|"[^"]*(?:"|$)|`[^`]*(?:`|$)|\[[^\]]*(?:\]|$)|[\p{ID_Start}_][\p{ID_Continue}$]*|;|\S/gu
