/**
 * A path (or a host) with `*` and `:name` in it, made ready for many requests. Segments are compared one by one from
 * both ends, and nothing is tried twice: a regular expression would, and a hostile pattern makes hours of it.
 */
export interface Pattern {
  /** Segments before the one that has the `*`, or all of them. */
  left: Segment[]
  splat?: { before: string; after: string; right: Segment[] }
}

/** Texts with names between them: one text more than names, and any of them may be empty. */
interface Segment {
  texts: string[]
  names: string[]
}

/** A text cut into its segments, once for all patterns that it is compared with. */
export interface Subject {
  text: string
  parts: string[]
  /** Where each part begins in `text`. */
  starts: number[]
}

/** What `:name` stood for, and `*` under "splat". */
export type Matched = ReadonlyMap<string, string>

const nameInside = /:[A-Za-z]\w*/

/** @param separator what `:name` does not reach over: "/" in a path, "." in a host */
export function compilePattern(text: string, separator: string): Pattern {
  const star = text.indexOf('*')
  if (star < 0) return { left: text.split(separator).map(segmentOf) }
  const left = text.slice(0, star).split(separator)
  const right = text.slice(star + 1).split(separator)
  return {
    left: left.slice(0, -1).map(segmentOf),
    splat: {
      before: left.at(-1) as string,
      after: right[0] as string,
      right: right.slice(1).map(segmentOf),
    },
  }
}

const segmentOf = (text: string): Segment => ({
  texts: text.split(nameInside),
  names: (text.match(new RegExp(nameInside, 'g')) ?? []).map((it) => it.slice(1)),
})

export function subjectOf(text: string, separator: string): Subject {
  const parts = text.split(separator)
  let start = 0
  const starts = parts.map((part) => {
    const at = start
    start += part.length + separator.length
    return at
  })
  return { text, parts, starts }
}

/** What the names stand for; undefined when the pattern does not match. Each takes as much as it can, from the left. */
export function matchPattern({ left, splat }: Pattern, subject: Subject): Matched | undefined {
  const { text, parts, starts } = subject
  const matched = new Map<string, string>()
  const matches = (segments: Segment[], from: number) =>
    segments.every((it, i) => matchSegment(it, parts[from + i] as string, matched))
  if (!splat) return parts.length === left.length && matches(left, 0) ? matched : undefined

  const { before, after, right } = splat
  const end = parts.length - right.length
  if (end < left.length + 1 || !matches(left, 0) || !matches(right, end)) return undefined
  const from = starts[left.length] as number
  const to =
    right.length === 0
      ? text.length
      : (starts[end - 1] as number) + (parts[end - 1] as string).length
  const rest = text.slice(from, to)
  if (rest.length < before.length + after.length) return undefined
  if (!rest.startsWith(before) || !rest.endsWith(after)) return undefined
  return matched.set('splat', rest.slice(before.length, rest.length - after.length))
}

/** Texts are looked for from the right, each as far right as it can stand, so that the names left of it get the most. */
function matchSegment(
  { texts, names }: Segment,
  part: string,
  matched: Map<string, string>,
): boolean {
  if (names.length === 0) return part === texts[0]
  const last = texts.at(-1) as string
  if (!part.startsWith(texts[0] as string) || !part.endsWith(last)) return false
  let end = part.length - last.length
  for (let i = names.length - 1; i >= 0; i--) {
    const text = texts[i] as string
    const latest = end - 1 - text.length
    const at = latest < 0 ? -1 : i === 0 ? 0 : part.lastIndexOf(text, latest)
    if (at < 0) return false
    matched.set(names[i] as string, part.slice(at + text.length, end))
    end = at
  }
  return true
}

/** A text in which names of a pattern stand for what they matched. */
export interface Template {
  texts: string[]
  names: string[]
}

/** Names that the pattern does not have are text. */
export function compileTemplate(text: string, pattern: Pattern): Template {
  const known = namesOf(pattern)
  const template: Template = { texts: [], names: [] }
  let from = 0
  for (const { 0: found, index } of text.matchAll(new RegExp(nameInside, 'g'))) {
    if (!known.has(found.slice(1))) continue
    template.texts.push(text.slice(from, index))
    template.names.push(found.slice(1))
    from = index + found.length
  }
  template.texts.push(text.slice(from))
  return template
}

export const fillTemplate = ({ texts, names }: Template, matched: Matched): string =>
  texts
    .map((text, i) => text + (i < names.length ? (matched.get(names[i] as string) ?? '') : ''))
    .join('')

const namesOf = ({ left, splat }: Pattern): ReadonlySet<string> =>
  new Set([
    ...[...left, ...(splat?.right ?? [])].flatMap((it) => it.names),
    ...(splat ? ['splat'] : []),
  ])
