import { createHash } from 'node:crypto'
import type { ImportKind, OnResolveResult, PartialMessage, Plugin } from 'esbuild'
import type { BundleError, Diagnostic } from './BundleError.ts'
import { builtin } from './builtins.ts'
import type { Limits } from './Limits.ts'
import type { Rule } from './modules.ts'
import type { Way } from './packageExports.ts'
import type { Packages } from './packages.ts'

/** What a module of a bundle is to the runtime. */
export type ModuleType = 'esm' | 'text' | 'data' | 'wasm' | 'json'

export interface Module {
  /** Relative to the other modules: `index.js`, or a name that is made from the content. */
  name: string
  type: ModuleType
  bytes: Uint8Array
}

/** The state of one bundling, shared by the plugins. */
export interface Build {
  limits: Limits
  rules: Rule[]
  alias: ReadonlyMap<string, string>
  packages: Packages
  /** WebAssembly and data files that were imported, by name. */
  modules: Map<string, Module>
  warnings: Diagnostic[]
  /** A refusal that is not a compile error; it wins over what esbuild says. */
  refused: BundleError | undefined
  /** Imports that were refused so far. */
  mistakes: number
}

/** Modules that stand between a `require` and something that only `import` can reach. */
const runtime = 'runtime'

export function wayOf(kind: ImportKind): Way {
  return kind === 'require-call' || kind === 'require-resolve' ? 'require' : 'import'
}

/** Answers imports of the runtime's own modules; undefined for any other path. */
export function resolveRuntime(
  build: Build,
  path: string,
  kind: ImportKind,
  isOwn = true,
): OnResolveResult | undefined {
  const found = builtin(path)
  if (!found) return undefined
  if (found.kind === 'absent')
    return refuse(`${found.path} does not exist in the runtime.`, found.hint)
  if (found.stub && isOwn && kind === 'import-statement') {
    const text = `${found.path} can be imported, but its functions throw when they are called.`
    if (!build.warnings.some((warning) => warning.text === text)) build.warnings.push({ text })
  }
  return outside(found.path, kind)
}

/** Keeps a file as a module of its own, which the bundle imports at run time. */
export function resolveModule(
  build: Build,
  path: string,
  bytes: Uint8Array,
  type: 'wasm' | 'data',
  kind: ImportKind,
): OnResolveResult {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
  const base = path
    .slice(path.lastIndexOf('/') + 1)
    .replace(/[^\w.-]/g, '_')
    .slice(-60)
  const name = `${hash}-${base}`
  build.modules.set(name, { name, type, bytes })
  return outside(`./${name}`, kind)
}

/** An error with a hint, in the shape that esbuild hands on. */
export function refuse(text: string, hint: string): { errors: PartialMessage[] } {
  return { errors: [{ text, detail: { hint } }] }
}

/** Loads what `resolveRuntime` and `resolveModule` answer to a `require`, and empty modules. */
export const runtimePlugin: Plugin = {
  name: 'runtime',
  setup(build) {
    build.onResolve({ filter: /^/, namespace: runtime }, ({ path }) => ({ path, external: true }))
    build.onLoad({ filter: /^/, namespace: runtime }, ({ path }) => {
      // Node's modules have a default export with everything on it; others may have none.
      const imported = /^(?:cloudflare|workerd):/.test(path) ? '* as it' : 'it'
      return {
        contents: `import ${imported} from ${JSON.stringify(path)}; module.exports = it`,
        loader: 'js',
      }
    })
    build.onLoad({ filter: /^/, namespace: 'empty' }, () => ({ contents: '', loader: 'js' }))
  },
}

function outside(path: string, kind: ImportKind): OnResolveResult {
  return wayOf(kind) === 'require' ? { path, namespace: runtime } : { path, external: true }
}
