import type { BuildOptions, TsconfigRaw } from 'esbuild'
import { decode, type FileMap } from './Files.ts'
import type { Declared } from './packages.ts'

/** Options that bundling and translating have in common. */
export type CommonOptions = ReturnType<typeof commonOptions>

/** How every program is translated, wherever it comes from. */
export function commonOptions({
  minify,
  keepNames,
  define,
  declared,
  imported,
  raw,
}: {
  minify: boolean
  keepNames: boolean
  define: Record<string, string>
  declared: Declared
  imported: ReadonlySet<string>
  raw: TsconfigRaw | undefined
}) {
  return {
    format: 'esm',
    // The runtime's engine is newer, but decorators and `using` still have to be translated.
    target: 'es2024',
    platform: 'browser',
    minify,
    // Programs look at the names of their classes and functions, and find them elsewhere too.
    keepNames,
    treeShaking: true,
    charset: 'utf8',
    legalComments: 'none',
    sourcemap: 'external',
    sourcesContent: true,
    jsx: 'automatic',
    jsxImportSource: jsxSource(declared, imported),
    define: { 'process.env.NODE_ENV': '"production"', ...define },
    logLevel: 'silent',
    logLimit: 0,
    ...(raw === undefined ? {} : { tsconfigRaw: raw }),
  } as const satisfies BuildOptions
}

const jsxLibraries = ['react', 'preact', 'solid-js', 'hono']

/** Whose JSX it is when tsconfig does not say: the library that the program depends on. */
function jsxSource({ dependencies }: Declared, imported: ReadonlySet<string>): string {
  const library =
    jsxLibraries.find((name) => dependencies.has(name)) ??
    jsxLibraries.find((name) => imported.has(name))
  if (library !== undefined) return library === 'hono' ? 'hono/jsx' : library
  return dependencies.size === 0 ? 'hono/jsx' : 'react'
}

/** The JSX libraries that files import by name, for a set that does not say what it depends on. */
export function importedLibraries(files: FileMap): Set<string> {
  const found = new Set<string>()
  for (const [path, content] of files) {
    if (!/\.[jt]sx$/.test(path)) continue
    const text = decode(content) ?? ''
    for (const name of jsxLibraries) {
      if (text.includes(`'${name}'`) || text.includes(`"${name}"`)) found.add(name)
    }
  }
  return found
}
