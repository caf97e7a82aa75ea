import { z } from 'zod'

/**
 * Headers that frame an answer, belong to one hop, or say what the gateway alone knows. A rule that could set them
 * would break answers, not decorate them.
 */
const framing =
  /^(?:connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|host|date|location|content-(?:length|encoding|range)|accept-ranges|proxy-.*|x-jack-.*|x-request-id)$/

const HeaderName = z
  .string()
  .regex(/^[a-z0-9!#$%&'*+.^_`|~-]{1,128}$/, "a header's name, in lower case")
  .refine((name) => !framing.test(name), 'this header is not for rules to set')

const HeaderValue = z.string().regex(/^[\t\x20-\x7e\x80-\xff]{1,2000}$/, 'a header value')

/**
 * A path that a rule is about. `*` stands for anything, once; `:name` for some characters other than "/", and for once
 * a name. A `*` has no `:name` in its segment: then every path can be matched without trying.
 */
const PathPattern = z
  .string()
  .max(1_000)
  .regex(/^\/[\x21-\x7e]*$/, 'a path, percent-encoded')
  .refine(isPattern, 'one "*" at most, each ":name" once, and never both in one segment')

function isPattern(path: string): boolean {
  const names: string[] = path.match(/:[A-Za-z]\w*/g) ?? []
  const [before = '', after] = path.split('*')
  return (
    path.split('*').length <= 2 &&
    new Set(names).size === names.length &&
    !names.includes(':splat') &&
    !/:[A-Za-z]\w*:[A-Za-z]/.test(path) &&
    (after === undefined || !/:[A-Za-z]/.test(segmentAround(before, after)))
  )
}

const segmentAround = (before: string, after: string): string =>
  before.slice(before.lastIndexOf('/') + 1) + (after.split('/', 1)[0] ?? '')

/** Headers for answers that come from static files. All rules that match apply, in their order. */
export const HeaderRule = z.strictObject({
  /** Only for this host, without port; `:name` stands for one label. Default: for every host. */
  host: z
    .string()
    .max(253)
    .regex(/^(?:[a-z0-9-]+|:[A-Za-z]\w*)(?:\.(?:[a-z0-9-]+|:[A-Za-z]\w*))*$/)
    .optional(),
  path: PathPattern,
  /** Taken away before `set`. */
  unset: z.array(HeaderName).max(50),
  /** `:splat` and `:name` in a value stand for what was matched. */
  set: z.array(z.tuple([HeaderName, HeaderValue])).max(50),
})
export type HeaderRule = z.infer<typeof HeaderRule>

/** Another address for a path. The first rule that matches applies, whether there is a file or not. */
export const RedirectRule = z.strictObject({
  from: PathPattern,
  /** A path of this site, or an address of another whose host is fixed. */
  to: z
    .string()
    .max(1_000)
    .regex(/^(?:https?:\/\/[A-Za-z0-9.-]+(?::\d{1,5})?(?=[/?#]|$)|\/(?!\/))[\x21-\x7e]*$/),
  /** 200 answers with the file at `to`, without a redirect. */
  status: z.literal([200, 301, 302, 303, 307, 308]),
})
export type RedirectRule = z.infer<typeof RedirectRule>

/** Whether a path is a pattern, not one path alone. */
export const isDynamic = (path: string): boolean => /\*|:[A-Za-z]/.test(path)

/** What `_headers` and `_redirects` say. */
export const siteRules = {
  headers: z.array(HeaderRule).max(100).optional(),
  redirects: z
    .array(
      RedirectRule.refine(
        (it) => it.status !== 200 || it.to.startsWith('/'),
        'only a path of the same site can be answered without a redirect',
      ),
    )
    .max(2_100)
    .refine(
      (rules) => rules.filter((it) => isDynamic(it.from)).length <= 100,
      'at most 100 patterns',
    )
    .optional(),
}
