/**
 * Where somebody may be sent on to: a path of this server, with its query, as the URL standard reads it. Anything else, such
 * as what a browser takes for another host (`//evil`, `/\evil`, `/.//evil`), becomes `otherwise`.
 */
export function ownPath(next: string | undefined, otherwise = '/'): string {
  if (next === undefined || next.length > 2_000 || !/^\/[\x21-\x7e]*$/.test(next)) return otherwise
  if (!URL.canParse(next, base)) return otherwise
  const { origin, pathname, search } = new URL(next, base)
  const path = `${pathname}${search}`
  return origin === base && !/^\/[/\\]/.test(path) ? path : otherwise
}

const base = 'http://jack.invalid'
