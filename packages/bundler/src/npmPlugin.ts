import type { OnResolveArgs, OnResolveResult, Plugin } from 'esbuild'
import { type Build, refuse, resolveModule, resolveRuntime, wayOf } from './Build.ts'
import { kindOf } from './modules.ts'
import {
  type Found,
  hasSideEffects,
  joinPath,
  resolveBareInside,
  resolveImports,
  resolveInside,
  resolveSubpath,
} from './packageExports.ts'
import { type OpenPackage, PackageError, splitBare } from './packages.ts'

/** Modules of npm packages; a path in it is `name@version/file`. */
const npm = 'npm'

type Import = Pick<OnResolveArgs, 'path' | 'kind' | 'with'>

/** Resolves and reads modules inside npm packages. Nothing outside a package's folder is touched. */
export function npmPlugin(build: Build): Plugin {
  return {
    name: npm,
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^/, namespace: npm }, (args) =>
        resolveFromPackage(build, args, args.importer),
      )
      onLoad({ filter: /^/, namespace: npm }, async ({ path, with: attributes }) => {
        const { id, file } = splitId(path)
        const opened = await build.packages.get(id)
        if (!opened) return refuse(`${path} is not part of the program.`, 'Please report this.')
        const kind = kindOf(file, attributes.type, [])
        const loader = kind?.as === 'code' ? kind.loader : 'js'
        return { contents: await opened.read(file), loader }
      })
    },
  }
}

/** Resolves `import 'name'` and `import 'name/sub'`, by the program itself or a package. */
export async function resolvePackage(
  build: Build,
  { path, kind, with: attributes }: Import,
  importer: string | undefined,
): Promise<OnResolveResult> {
  const split = splitBare(path.endsWith('/') ? path.slice(0, -1) : path)
  if (!split) {
    return refuse(
      `Could not resolve "${path}".`,
      `Write "./${path}" if it is a file of the program.`,
    )
  }
  try {
    const opened = await build.packages.resolve(split.name, importer)
    const found = resolveSubpath(opened.contents, split.subpath, wayOf(kind))
    if (found) return await answer(build, opened, found, { path, kind, with: attributes })
    const what = split.subpath === '' ? 'a module to import' : `"${split.subpath}" to import`
    return refuse(
      `${opened.id} has no ${what}.`.replace('no a ', 'no '),
      "See the package's own documentation for its import paths.",
    )
  } catch (error) {
    if (!(error instanceof PackageError)) throw error
    // A package may try to load what it can do without; then it finds out at run time, as on npm.
    const mayBeMissing =
      importer !== undefined &&
      kind !== 'import-statement' &&
      build.packages.isOptional(split.name, importer)
    return mayBeMissing ? { path, external: true } : refuse(error.message, error.hint)
  }
}

async function resolveFromPackage(
  build: Build,
  args: Import,
  importerPath: string,
): Promise<OnResolveResult> {
  const { id, file } = splitId(importerPath)
  const opened = await build.packages.get(id)
  if (!opened) return refuse(`${importerPath} is not part of the program.`, 'Please report this.')
  const { path, kind } = args
  const way = wayOf(kind)
  if (path.startsWith('./') || path.startsWith('../') || path === '.' || path === '..') {
    const slash = file.lastIndexOf('/')
    const joined = joinPath(slash < 0 ? '' : file.slice(0, slash), path.replace(/\?.*$/, ''))
    const found = joined === undefined ? undefined : resolveInside(opened.contents, joined, way)
    if (found) return answer(build, opened, found, args)
    if (way === 'require') return { path, external: true }
    return refuse(
      `${opened.id} imports "${path}", which is not in it.`,
      'Try another version of the package.',
    )
  }
  if (path.startsWith('#')) {
    const found = resolveImports(opened.contents, path, way)
    return found
      ? answer(build, opened, found, args)
      : refuse(`${opened.id} has no "${path}".`, 'Try another version of the package.')
  }
  const replaced = resolveBareInside(opened.contents, path)
  if (replaced) return answer(build, opened, replaced, args)
  const own = resolveRuntime(build, path, kind, false)
  if (own) return own
  if (/^[a-z][a-z0-9+.-]*:/i.test(path) || path.startsWith('/') || path.includes('\\')) {
    if (way === 'require') return { path, external: true }
    return refuse(
      `${opened.id} imports "${path.slice(0, 100)}", which cannot be bundled.`,
      'Use another package.',
    )
  }
  if (splitBare(path)?.name === opened.used.name) {
    const found = resolveSubpath(opened.contents, splitBare(path)?.subpath ?? '', way)
    if (found) return answer(build, opened, found, args)
  }
  return resolvePackage(build, args, id)
}

async function answer(
  build: Build,
  opened: OpenPackage,
  found: NonNullable<Found>,
  args: Import,
): Promise<OnResolveResult> {
  if ('empty' in found) return { path: `${opened.id}/${args.path}`, namespace: 'empty' }
  if ('bare' in found) {
    return (
      resolveRuntime(build, found.bare, args.kind, false) ??
      resolvePackage(build, { ...args, path: found.bare }, opened.id)
    )
  }
  const { file } = found
  const kind = kindOf(file, args.with.type, [])
  if (kind?.as === 'module')
    return resolveModule(build, file, await opened.read(file), kind.type, args.kind)
  return {
    path: `${opened.id}/${file}`,
    namespace: npm,
    sideEffects: hasSideEffects(opened.contents.manifest, file),
  }
}

function splitId(path: string): { id: string; file: string } {
  const at = path.indexOf('@', 1)
  const slash = path.indexOf('/', at)
  return { id: path.slice(0, slash), file: path.slice(slash + 1) }
}
