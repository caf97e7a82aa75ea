import type { ImportKind, OnResolveResult, Plugin } from 'esbuild'
import { type Build, refuse, resolveModule, resolveRuntime } from './Build.ts'
import { decode, type FileMap } from './Files.ts'
import { isSecret } from './ignoring.ts'
import { kindOf, resolvedExtensions } from './modules.ts'
import { nearest } from './nearest.ts'
import { resolvePackage } from './npmPlugin.ts'
import { type Contents, joinPath, resolveImports } from './packageExports.ts'
import { mappedPaths, type Tsconfig } from './tsconfig.ts'

const maxMistakes = 50

/** What esbuild is told to start with; the plugin knows the path. */
export const setEntry = 'entry of the set'

/** Modules of the file set; a path in it is a path of the set. */
const files = 'files'

/**
 * Resolves and loads a file set out of memory. Every import ends here or in a package, so that no
 * file of the machine and no address is ever read, whatever the program imports.
 */
export function setPlugin(
  build: Build,
  {
    entry,
    map,
    tsconfig,
    contents,
  }: { entry: string; map: FileMap; tsconfig: Tsconfig; contents: Contents },
): Plugin {
  const resolveImport = async (
    path: string,
    importer: string,
    kind: ImportKind,
    attributes: Record<string, string>,
  ): Promise<OnResolveResult> => {
    const [plain = '', query] = splitQuery(path)
    if (/^\.{1,2}(?:\/|$)/.test(plain)) {
      const slash = importer.lastIndexOf('/')
      const joined = joinPath(slash < 0 ? '' : importer.slice(0, slash), plain)
      if (joined === undefined)
        return refuse(`"${path}" leads out of the program's files.`, 'Add the file to the program.')
      const found = findFile(map, joined)
      if (found !== undefined) return answer(build, map, found, kind, query ?? attributes.type)
      return missing(path, joined)
    }
    const alias = aliasOf(build.alias, plain)
    if (alias?.startsWith('.')) {
      const target = joinPath('', alias)
      if (target === undefined)
        return refuse(
          `The alias "${alias}" leads out of the program's files.`,
          'Name a file of the program.',
        )
      return resolveImport(`./${target}`, '', kind, attributes)
    }
    if (alias !== undefined) return resolveImport(alias, importer, kind, attributes)
    const own = resolveRuntime(build, plain, kind)
    if (own) return own
    const foreign = refuseForeign(path)
    if (foreign) return foreign
    if (plain.startsWith('#')) {
      const found = resolveImports(contents, plain, 'import')
      if (found && 'file' in found)
        return answer(build, map, found.file, kind, query ?? attributes.type)
      if (found && 'bare' in found) return resolveImport(found.bare, importer, kind, attributes)
    }
    for (const candidate of mappedPaths(tsconfig, plain)) {
      const found = findFile(map, candidate)
      if (found !== undefined) return answer(build, map, found, kind, query ?? attributes.type)
    }
    if (plain.startsWith('#'))
      return refuse(`Could not resolve "${path}".`, 'Add it to "imports" in package.json.')
    return resolvePackage(build, { path: plain, kind, with: attributes }, undefined)
  }

  const missing = (path: string, joined: string) => {
    const stems = new Map([...map.keys()].map((file) => [file.replace(/\.[^./]+$/, ''), file]))
    const meant = nearest(joined, map.keys()) ?? stems.get(nearest(joined, stems.keys()) ?? '')
    return refuse(
      `Could not resolve "${path}": there is no file ${joined === '' ? 'index' : joined}.`,
      meant === undefined ? 'Add the file to the program.' : `Did you mean ${meant}?`,
    )
  }

  return {
    name: files,
    setup({ onResolve, onLoad }) {
      // The filters are narrow because every plugin that listens costs a message to esbuild's
      // process and back. What is imported is always asked about in the namespace of its importer.
      onResolve({ filter: /^entry of the set$/ }, ({ kind }) =>
        kind === 'entry-point' ? { path: entry, namespace: files } : undefined,
      )
      onResolve({ filter: /^/, namespace: files }, async (args) => {
        // The bundle fails anyway; more of the same would only make the answer longer.
        if (build.mistakes >= maxMistakes) return { path: args.path, external: true }
        const answer = await resolveImport(args.path, args.importer, args.kind, args.with)
        if (answer.errors) build.mistakes++
        return answer
      })
      onLoad({ filter: /^/, namespace: files }, ({ path, suffix, with: attributes }) => {
        const content = map.get(path)
        if (content === undefined)
          return refuse(`There is no file ${path}.`, 'Add the file to the program.')
        return loadOwn(build, path, content, suffix === '?raw' ? 'text' : attributes.type)
      })
    },
  }
}

/** The contents of one of the author's files with the loader for it, or why there are none. */
export function loadOwn(
  build: Build,
  path: string,
  content: string | Uint8Array,
  attribute: string | undefined,
) {
  const kind = kindOf(path, attribute, build.rules)
  if (kind?.as !== 'code') {
    const extension = /\.[^./]+$/.exec(path)?.[0]
    return refuse(
      `There is no way to import ${extension === undefined ? 'a file without an extension' : `a "${extension}" file`} (${path}).`,
      'Import it as text: import it from "./file" with { type: "text" }, or serve it as a static asset.',
    )
  }
  if (kind.loader === 'binary') return { contents: content, loader: kind.loader }
  const text = decode(content)
  if (text === undefined) return refuse(`${path} is not UTF-8 text.`, 'Save it as UTF-8.')
  return { contents: text, loader: kind.loader }
}

/** Keys and passwords are not part of a program; undefined when the file may be imported. */
export function refuseSecret(path: string) {
  if (!isSecret(path)) return undefined
  return refuse(
    `${path} holds secrets and is never put into a program.`,
    'Set it as an environment variable of the project, and read it from env.',
  )
}

/** Paths that no program may import: addresses, absolute paths, other systems' schemes. */
export function refuseForeign(path: string) {
  const shown = path.length > 100 ? `${path.slice(0, 100)}...` : path
  if (/^(?:https?:)?\/\//i.test(path)) {
    return refuse(
      `"${shown}" is an address; modules are not fetched from the web.`,
      'Use the npm package, or add the file to the program.',
    )
  }
  if (/^data:/i.test(path))
    return refuse('A data: address cannot be imported.', 'Put the code into a file.')
  if (/^(?:\/|[a-z]:[/\\]|file:)/i.test(path)) {
    return refuse(
      `"${shown}" is an absolute path.`,
      'Import files of the program by a path that starts with "./".',
    )
  }
  if (path.includes('\\'))
    return refuse(`"${shown}" contains a backslash.`, 'Write "/" between the segments.')
  const scheme = /^(npm|jsr|bun|deno|git|github|[a-z][a-z0-9+.-]*):/i.exec(path)?.[1]
  if (scheme === undefined) return undefined
  const hint = /^npm$/i.test(scheme)
    ? `Write "${path.slice(4)}", and its version in package.json.`
    : 'Only npm packages, node: and cloudflare: modules can be imported.'
  return refuse(`"${shown}" cannot be imported here.`, hint)
}

/** The replacement that an alias gives for an import of a package or of something in it. */
export function aliasOf(alias: ReadonlyMap<string, string>, path: string): string | undefined {
  for (const [from, to] of alias) {
    if (path === from) return to === from ? undefined : to
    // An alias must not apply to its own target again.
    if (path.startsWith(`${from}/`) && !path.startsWith(`${to}/`))
      return to + path.slice(from.length)
  }
  return undefined
}

async function answer(
  build: Build,
  map: FileMap,
  path: string,
  kind: ImportKind,
  attribute: string | undefined,
): Promise<OnResolveResult> {
  const secret = refuseSecret(path)
  if (secret) return secret
  const content = map.get(path) ?? ''
  const what = kindOf(path, attribute, build.rules)
  if (what?.as === 'module') {
    return resolveModule(
      build,
      path,
      typeof content === 'string' ? Buffer.from(content) : content,
      what.type,
      kind,
    )
  }
  return { path, namespace: files, ...(attribute === 'text' ? { suffix: '?raw' } : {}) }
}

/** The file that a path means: itself, its TypeScript original, with an extension, or an index. */
function findFile(map: FileMap, path: string): string | undefined {
  if (map.has(path)) return path
  const typescript = /^(.*)\.([cm]?)js(x?)$/.exec(path)
  const candidates = [
    ...(typescript
      ? [
          `${typescript[1]}.${typescript[2]}ts${typescript[3]}`,
          `${typescript[1]}.${typescript[2]}tsx`,
        ]
      : []),
    ...resolvedExtensions.map((extension) => path + extension),
    ...resolvedExtensions.map((extension) => `${path === '' ? '' : `${path}/`}index${extension}`),
  ]
  return candidates.find((candidate) => map.has(candidate))
}

function splitQuery(path: string): [string, string | undefined] {
  const found = /^(.*)\?(module|raw)$/.exec(path)
  if (!found) return [path, undefined]
  return [found[1] ?? '', found[2] === 'raw' ? 'text' : undefined]
}
