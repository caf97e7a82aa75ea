import type { Loader } from 'esbuild'

/** How a file becomes part of the program. `wasm` and `data` stay modules of their own. */
export type Kind = { as: 'code'; loader: Loader } | { as: 'module'; type: 'wasm' | 'data' }

/** A rule of a wrangler configuration: which files are text, data or WebAssembly. */
export interface Rule {
  type: 'Text' | 'Data' | 'CompiledWasm'
  globs: string[]
}

/** Files that are imported as text without being told. */
export const textExtensions =
  'txt html htm sql md css svg csv xml graphql gql yaml yml toml glsl wgsl'.split(' ')

const loaders = new Map<string, Loader>([
  ...['ts', 'mts', 'cts'].map((extension) => [extension, 'ts'] as const),
  ...['js', 'mjs', 'cjs'].map((extension) => [extension, 'js'] as const),
  ['tsx', 'tsx'],
  ['jsx', 'jsx'],
  ['json', 'json'],
  ...textExtensions.map((extension) => [extension, 'text'] as const),
])

const data = new Set(
  'bin dat png jpg jpeg gif webp avif ico woff woff2 ttf otf pdf zip gz mp3 mp4 onnx model'.split(
    ' ',
  ),
)

/** Extensions that an import may leave out, in the order in which they are tried. */
export const resolvedExtensions = [
  '.ts',
  '.tsx',
  '.mts',
  '.cts',
  '.js',
  '.jsx',
  '.mjs',
  '.cjs',
  '.json',
]

/** What a file is: by an import attribute, else by the rules, else by its extension. */
export function kindOf(
  path: string,
  attribute: string | undefined,
  rules: Rule[],
): Kind | undefined {
  if (attribute === 'text') return { as: 'code', loader: 'text' }
  if (attribute === 'bytes') return { as: 'code', loader: 'binary' }
  if (attribute === 'json') return { as: 'code', loader: 'json' }
  for (const rule of rules) {
    if (!rule.globs.some((glob) => globMatches(glob, path))) continue
    if (rule.type === 'Text') return { as: 'code', loader: 'text' }
    return { as: 'module', type: rule.type === 'Data' ? 'data' : 'wasm' }
  }
  const extension = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? ''
  if (extension === 'wasm') return { as: 'module', type: 'wasm' }
  if (data.has(extension)) return { as: 'module', type: 'data' }
  const loader = loaders.get(extension)
  return loader && { as: 'code', loader }
}

/** The endings of files that `kindOf` may make modules of their own, for a filter. */
export function moduleExtensions(rules: Rule[]): string[] {
  const named = rules.flatMap(({ globs }) => globs.map((glob) => /\.(\w+)$/.exec(glob)?.[1]))
  return ['wasm', ...data, ...named.filter((extension) => extension !== undefined)]
}

/** As wrangler has it: `*` stands for anything, folders too, and a path may begin with `./`. */
function globMatches(glob: string, path: string): boolean {
  const [first = '', ...rest] = glob.split(/\*+/)
  const last = rest.pop()
  return [path, `./${path}`].some((text) => {
    if (last === undefined) return text === first
    if (!text.startsWith(first)) return false
    let at = first.length
    for (const part of rest) {
      const found = text.indexOf(part, at)
      if (found < 0) return false
      at = found + part.length
    }
    return text.length - last.length >= at && text.endsWith(last)
  })
}
