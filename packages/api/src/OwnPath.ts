/**
 * Where somebody may be sent on to: a path of this server, with its query, as the URL standard reads it. Anything else, such
 * as what a browser takes for another host (`//evil`, `/\evil`, `/.//evil`), becomes `otherwise`.
 */
export function ownPath(next: string | undefined, otherwise = '/'): string {
  if (next === undefined || next.length > maxLength || !/^\/[\x21-\x7e]*$/.test(next))
    return otherwise
  if (!URL.canParse(next, base)) return otherwise
  const { origin, pathname, search } = new URL(next, base)
  const path = `${pathname}${search}`
  return origin === base && !/^\/[/\\]/.test(path) ? path : otherwise
}

/** Of a path with its query. What a program asks for may have a long `state` of its own. */
export const maxLength = 4_000

const base = 'http://jack.invalid'
