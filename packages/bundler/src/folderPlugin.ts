import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import type { OnResolveArgs, OnResolveResult, Plugin, PluginBuild } from 'esbuild'
import { type Build, refuse, resolveModule, resolveRuntime } from './Build.ts'
import { isSource, sourceTooLarge } from './Files.ts'
import { secretPath } from './ignoring.ts'
import { kindOf, moduleExtensions, textExtensions } from './modules.ts'
import { resolvePackage } from './npmPlugin.ts'
import { type Declared, splitBare } from './packages.ts'
import { isInside } from './Source.ts'
import { aliasOf, loadOwn, refuseForeign, refuseSecret } from './setPlugin.ts'

const asked = Symbol('asked by ourselves')

const slash = `\\${sep}`
/** Any name but `node_modules`, letter by letter: esbuild's expressions cannot look ahead. */
const segment = [...'node_modules'].reduceRight(
  (rest, letter, at) => `(?:[^${letter}${slash}][^${slash}]*|${letter}${rest})${at > 0 ? '?' : ''}`,
  `[^${slash}]+`,
)
/** The same paths that `isInstalled` is false for. */
const ownPath = new RegExp(`^${slash}*${segment}(?:${slash}+${segment})*$`)
/** What esbuild does not take for text by itself. */
const textPath = new RegExp(`\\.(?:${textExtensions.join('|')})$`, 'i')

/**
 * Lets esbuild find the files of a folder and of its node_modules as it always does, and adds what
 * it does not know: the runtime's modules, WebAssembly and data, packages that are not installed,
 * and which files may be read.
 */
export function folderPlugin(
  build: Build,
  { root, declared }: { root: string; declared: Declared },
): Plugin {
  const roots = [root, ...workspaceRoot(root)]
  const shown = (path: string) => relative(root, path).split(sep).join('/')
  let sourceBytes = 0

  const inFolder = async (
    bundler: PluginBuild,
    args: OnResolveArgs,
    path: string,
  ): Promise<OnResolveResult | undefined> => {
    const { kind, importer, resolveDir, with: attributes } = args
    const found = await bundler.resolve(path, {
      kind,
      importer,
      resolveDir,
      with: attributes,
      namespace: 'file',
      pluginData: asked,
    })
    if (found.errors.length > 0 || found.external || found.namespace !== 'file') return undefined
    const what = kindOf(
      shown(found.path),
      attributes.type,
      isInstalled(found.path) ? [] : build.rules,
    )
    if (what?.as === 'module') {
      const problem = mayRead(roots, found.path, shown(found.path))
      if (problem) return problem
      return resolveModule(
        build,
        found.path.split(sep).join('/'),
        await readFile(found.path),
        what.type,
        kind,
      )
    }
    return {
      path: found.path,
      sideEffects: found.sideEffects,
      ...(found.suffix ? { suffix: found.suffix } : {}),
    }
  }

  return {
    name: 'folder',
    setup(bundler) {
      // Narrow, because every question costs a message to esbuild's process and back.
      const endings = moduleExtensions(build.rules).join('|')
      const ending = new RegExp(`\\.(?:${endings})$|\\?module$`, 'i')
      const endingInside = new RegExp(`\\.(?:${endings})"`, 'i')
      bundler.onResolve({ filter: ending, namespace: 'file' }, async (args) => {
        if (
          args.pluginData === asked ||
          args.kind === 'entry-point' ||
          !/^\.{1,2}\//.test(args.path)
        )
          return undefined
        const path = args.path.replace(/\?module$/, '')
        const secret = isInstalled(args.importer)
          ? undefined
          : refuseSecret(shown(join(args.resolveDir, path)))
        if (secret) return secret
        const what = kindOf(path, args.with.type, build.rules)
        return what?.as === 'module' ? inFolder(bundler, args, path) : undefined
      })
      bundler.onResolve({ filter: /^[^.]/, namespace: 'file' }, async (args) => {
        if (args.pluginData === asked || args.kind === 'entry-point') return undefined
        const path = args.path.replace(/\?module$/, '')
        const isOwn = !isInstalled(args.importer)
        const alias = isOwn ? aliasOf(build.alias, path) : undefined
        if (alias !== undefined) {
          const target = alias.startsWith('.') ? join(root, alias) : alias
          const found = await inFolder(bundler, args, target)
          if (found) return found
        }
        const wanted = alias ?? path
        const own = resolveRuntime(build, wanted, args.kind, isOwn)
        // A package may ship its own replacement for a module of Node.js in its `browser` field.
        if (own)
          return isOwn || wanted.includes(':')
            ? own
            : ((await inFolder(bundler, args, wanted)) ?? own)
        const foreign = isOwn ? refuseForeign(wanted) : undefined
        if (foreign) return foreign
        const name = splitBare(wanted)?.name
        // To ask esbuild costs milliseconds, so it finds by itself what is there and can only be code.
        if (wanted === args.path && name !== undefined && !ending.test(wanted)) {
          const manifest = installedManifest(args.resolveDir, name)
          if (manifest !== undefined && !endingInside.test(manifest)) return undefined
        }
        const found = await inFolder(bundler, args, wanted)
        if (found) {
          const linked = name !== undefined && found.path !== undefined && !isInstalled(found.path)
          if (linked) roots.push(...linkedPackage(args.resolveDir, name))
          return found
        }
        if (!isOwn || wanted.startsWith('#')) return undefined
        if (name !== undefined && existsSync(join(root, 'node_modules'))) {
          if (!declared.dependencies.has(name)) {
            return refuse(
              `Could not resolve "${wanted}".`,
              `Add it to the program: npm install ${name}`,
            )
          }
          build.warnings.push({
            text: `${name} is not installed; it was taken from npm.`,
            hint: 'Run npm install.',
          })
        }
        return resolvePackage(build, { path: wanted, kind: args.kind, with: args.with }, undefined)
      })
      // esbuild reads the code of installed packages itself, faster than we could.
      bundler.onLoad({ filter: secretPath, namespace: 'file' }, ({ path }) =>
        refuseSecret(shown(path)),
      )
      bundler.onLoad(
        { filter: ownPath, namespace: 'file' },
        async ({ path, with: attributes, suffix }) => {
          const problem = mayRead(roots, path, shown(path))
          if (problem) return problem
          const { size } = await stat(path)
          if (isSource(path)) sourceBytes += size
          const most = build.limits.bundleBytes
          if (Math.max(size, sourceBytes) > most) {
            build.refused ??= sourceTooLarge(Math.max(size, sourceBytes), most, shown(path))
            return refuse('The source is too large.', '')
          }
          const bytes = await readFile(path)
          return loadOwn(build, shown(path), bytes, suffix === '?raw' ? 'text' : attributes.type)
        },
      )
      bundler.onLoad({ filter: textPath, namespace: 'file' }, async ({ path, with: { type } }) =>
        type === undefined || type === 'text'
          ? { contents: await readFile(path, 'utf8'), loader: 'text' }
          : undefined,
      )
    },
  }
}

/** Own files may be read when they are no secrets and, links followed, lie in an allowed folder. */
function mayRead(roots: string[], path: string, shown: string) {
  const secret = refuseSecret(shown)
  if (secret) return secret
  if (isInstalled(path) || roots.some((folder) => isInside(folder, path))) return undefined
  return refuse(
    `${shown} lies outside the folder of the program.`,
    'Copy the file into the folder.',
  )
}

function isInstalled(path: string): boolean {
  return path.split(sep).includes('node_modules')
}

/** The folder of the repository or workspace that the program belongs to, if any. */
function workspaceRoot(root: string): string[] {
  for (let folder = root; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'pnpm-workspace.yaml')) || existsSync(join(folder, '.git')))
      return [folder]
    const manifest = join(folder, 'package.json')
    if (existsSync(manifest) && /"workspaces"\s*:/.test(readFileSync(manifest, 'utf8')))
      return [folder]
    if (dirname(folder) === folder) return []
  }
}

/** The package.json of a package in a node_modules folder; undefined for one that is a link to elsewhere. */
function installedManifest(from: string, name: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const file = join(folder, 'node_modules', name, 'package.json')
    if (existsSync(file))
      return isInstalled(realpathSync(file)) ? readFileSync(file, 'utf8') : undefined
    if (dirname(folder) === folder) return undefined
  }
}

/** The folder that a link in a node_modules folder leads to, as `npm link` makes it. */
function linkedPackage(from: string, name: string): string[] {
  for (let folder = from; ; folder = dirname(folder)) {
    const installed = join(folder, 'node_modules', name)
    if (existsSync(installed)) return [realpathSync(installed)]
    if (dirname(folder) === folder) return []
  }
}
