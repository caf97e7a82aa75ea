import type { Diagnostic } from './BundleError.ts'

/** One block of `_headers`: what to take away from, then to set on, answers for a path. */
export interface HeaderRule {
  /** Only for this host; `:name` stands for one label. */
  host?: string
  path: string
  unset: string[]
  set: [name: string, value: string][]
}

/** One line of `_redirects`. */
export interface RedirectRule {
  from: string
  to: string
  status: 200 | 301 | 302 | 303 | 307 | 308
}

/** How much of either file counts. Characters are those of one line. */
export const ruleLimits = {
  headerRules: 100,
  headersOfRule: 50,
  headerLine: 2_000,
  staticRedirects: 2_000,
  dynamicRedirects: 100,
  redirectLine: 1_000,
}

type Say = (text: string, hint?: string) => void

/**
 * Reads `_headers`: a path on a line of its own, then its headers, each indented. What cannot be followed is left out
 * and told in a warning with its line.
 */
export function parseHeaders(
  text: string,
  file = '_headers',
): { rules: HeaderRule[]; warnings: Diagnostic[] } {
  const rules: HeaderRule[] = []
  const warnings: Diagnostic[] = []
  let rule: HeaderRule | undefined
  for (const { line, trimmed, say } of linesOf(text, file, warnings)) {
    if (line.length > ruleLimits.headerLine) {
      say(`The line is longer than ${ruleLimits.headerLine} characters.`)
      continue
    }
    if (!/^\s/.test(line) && isAddress(trimmed)) {
      rule = headerRule(trimmed, say)
      if (rule) rules.push(rule)
    } else if (rule) addHeader(rule, trimmed, say)
    else say('This header belongs to no path.', 'Begin with a path, such as /*.')
  }
  const useful = rules.filter((it) => it.set.length + it.unset.length > 0)
  if (useful.length > ruleLimits.headerRules) {
    warnings.push({
      file,
      text: `Only the first ${ruleLimits.headerRules} of ${useful.length} rules apply.`,
    })
  }
  return { rules: useful.slice(0, ruleLimits.headerRules), warnings }
}

const isAddress = (text: string): boolean => text.startsWith('/') || /^https?:\/\//i.test(text)

function headerRule(address: string, say: Say): HeaderRule | undefined {
  const { host, path } = hostAndPath(address)
  if (host?.includes(':') && /:\d+$/.test(host)) {
    say('A rule cannot name a port.', 'It applies to every port.')
    return undefined
  }
  if (host !== undefined && !isHost(host)) {
    say(`"${host}" is not a host.`, '":name" stands for one label: https://:sub.example.com/*')
    return undefined
  }
  const pattern = patternOf(path, say)
  if (pattern === undefined) return undefined
  return { ...(host !== undefined && { host }), path: pattern, unset: [], set: [] }
}

function hostAndPath(address: string): { host?: string; path: string } {
  const scheme = /^https?:\/\//i.exec(address)?.[0]
  if (scheme === undefined) return { path: address }
  const rest = address.slice(scheme.length)
  const slash = rest.search(/[/?#]/)
  const host = slash < 0 ? rest : rest.slice(0, slash)
  return {
    host: host.replace(/:[A-Za-z]\w*|[^:]+/g, (it) => (it.startsWith(':') ? it : it.toLowerCase())),
    path: slash < 0 || rest[slash] !== '/' ? '/' : rest.slice(slash),
  }
}

const isHost = (host: string): boolean =>
  host.length <= 253 &&
  host.split('.').every((label) => /^(?:[a-z0-9-]+|:[A-Za-z]\w*)$/.test(label))

function addHeader(rule: HeaderRule, line: string, say: Say): void {
  const isRemoval = line.startsWith('!')
  const colon = line.indexOf(':')
  const name = (isRemoval ? line.slice(1) : line.slice(0, Math.max(colon, 0))).trim().toLowerCase()
  const value = isRemoval ? '' : line.slice(colon + 1).trim()
  if (!isRemoval && colon < 0) say('A header looks like "Name: value".')
  else if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,128}$/.test(name))
    say(`${JSON.stringify(name.slice(0, 60))} is not the name of a header.`)
  else if (framing.test(name))
    say(`${name} cannot be set by a rule.`, 'It says how the answer is sent.')
  else if (rule.set.length + rule.unset.length >= ruleLimits.headersOfRule)
    say(`A path can have ${ruleLimits.headersOfRule} headers.`)
  else if (isRemoval) rule.unset.push(name)
  else if (value === '') say(`${name} has no value.`, `"! ${name}" removes a header.`)
  else if (!/^[\t\x20-\x7e\x80-\xff]+$/.test(value))
    say(`The value of ${name} has characters that a header cannot carry.`)
  else rule.set.push([name, value])
}

/** Headers that frame an answer or belong to one hop. */
const framing =
  /^(?:connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|host|date|location|content-(?:length|encoding|range)|accept-ranges|proxy-.*|x-jack-.*|x-request-id)$/

/**
 * Reads `_redirects`: a path, where it leads to, and a status on each line. What cannot be followed is left out and
 * told in a warning with its line.
 */
export function parseRedirects(
  text: string,
  file = '_redirects',
): { rules: RedirectRule[]; warnings: Diagnostic[] } {
  const rules: RedirectRule[] = []
  const warnings: Diagnostic[] = []
  const known = new Set<string>()
  let [statics, dynamics, beyond] = [0, 0, 0]
  for (const { trimmed, say } of linesOf(text, file, warnings)) {
    if (trimmed.length > ruleLimits.redirectLine) {
      say(`The line is longer than ${ruleLimits.redirectLine} characters.`)
      continue
    }
    const rule = redirectRule(trimmed, say)
    if (!rule) continue
    if (known.has(rule.from)) {
      say(`${rule.from} leads somewhere already.`, 'The first rule for a path applies.')
      continue
    }
    known.add(rule.from)
    const isDynamic = /\*|:[A-Za-z]/.test(rule.from)
    if (
      isDynamic ? ++dynamics > ruleLimits.dynamicRedirects : ++statics > ruleLimits.staticRedirects
    )
      beyond++
    else rules.push(rule)
  }
  if (beyond > 0) {
    const { staticRedirects, dynamicRedirects } = ruleLimits
    warnings.push({
      file,
      text: `${beyond} redirects are over the limit of ${staticRedirects} paths and ${dynamicRedirects} patterns, and do not apply.`,
    })
  }
  return { rules, warnings }
}

function redirectRule(line: string, say: Say): RedirectRule | undefined {
  const comment = line.search(/\s#/)
  const words = (comment < 0 ? line : line.slice(0, comment)).trim().split(/\s+/)
  if (words.length < 2 || words.length > 3) {
    say('A redirect looks like "/from /to 301".')
    return undefined
  }
  const [from, to, code = '302'] = words as [string, string, string?]
  const status = statuses.find((it) => String(it) === code)
  if (status === undefined) {
    say(`The status ${code.slice(0, 20)} is not one of ${statuses.join(', ')}.`)
    return undefined
  }
  if (/^https?:\/\/|^\/\//i.test(from)) {
    say('A redirect begins at a path, not at another host.')
    return undefined
  }
  const path = patternOf(from.startsWith('/') ? from : `/${from}`, say)
  const target = targetOf(to, say)
  if (path === undefined || target === undefined) return undefined
  if (target.length > ruleLimits.redirectLine) {
    say(`The address is longer than ${ruleLimits.redirectLine} characters.`)
    return undefined
  }
  if (status === 200 && !target.startsWith('/')) {
    say('Status 200 answers with a file of this site, and this is another one.')
    return undefined
  }
  if (path === '/*' && target.startsWith('/')) {
    say(
      'This rule would lead to itself for ever, and hide every file.',
      'For an app of one page: "assets": { "not_found_handling": "single-page-application" }.',
    )
    return undefined
  }
  return { from: path, to: target, status }
}

const statuses = [200, 301, 302, 303, 307, 308] as const

/** A path of this site or a URL, percent-encoded. The host is fixed: a visitor never says where to go. */
function targetOf(to: string, say: Say): string | undefined {
  const url = to.startsWith('//') ? `https:${to}` : to
  if (url.startsWith('/') || !/^[a-z][a-z0-9+.-]*:/i.test(url)) {
    return encoded(url.startsWith('/') ? url : `/${url}`)
  }
  const [, scheme = '', host = '', rest = ''] = /^(https?:\/\/)([^/?#]*)(.*)$/i.exec(url) ?? []
  if (!/^[a-z0-9.-]+(?::\d{1,5})?$/i.test(host)) {
    say(
      `${JSON.stringify(to.slice(0, 80))} is not an address with a fixed host.`,
      'Write https://example.com/path.',
    )
    return undefined
  }
  return scheme.toLowerCase() + host + encoded(rest)
}

/** The path in the form in which requests carry it; without query and fragment, which no request is found by. */
function patternOf(path: string, say: Say): string | undefined {
  const plain = encoded(path.replace(/[?#].*$/s, ''))
  const names: string[] = plain.match(/:[A-Za-z]\w*/g) ?? []
  const segments = plain.split('/')
  if (plain.split('*').length > 2) say('A path can have one "*".')
  else if (new Set(names).size !== names.length || names.includes(':splat'))
    say('Each ":name" can stand once in a path, and ":splat" is what "*" matched.')
  else if (segments.some((it) => it.includes('*') && /:[A-Za-z]/.test(it)))
    say('"*" and ":name" cannot share a segment of a path.')
  else if (/:[A-Za-z]\w*:[A-Za-z]/.test(plain)) say('Between two ":name" must be something.')
  else if (plain.length > 1_000) say('The path is longer than 1,000 characters.')
  else return plain
  return undefined
}

/** Percent-encoded where it must be, and as it is where it is already. */
const encoded = (text: string): string =>
  text.replace(/[^\x21-\x7e]+|["<>`]/g, (it) => encodeURIComponent(it.toWellFormed()))

/** Lines with something on them, each with a way to warn about it. */
function* linesOf(
  text: string,
  file: string,
  warnings: Diagnostic[],
): Generator<{ line: string; trimmed: string; say: Say }> {
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    const trimmed = line.trim()
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const say: Say = (what, hint) => {
      warnings.push({
        file,
        line: index + 1,
        text: what,
        lineText: line.slice(0, 200),
        ...(hint !== undefined && { hint }),
      })
    }
    yield { line, trimmed, say }
  }
}
