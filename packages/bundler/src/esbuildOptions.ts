import type { BuildOptions, TsconfigRaw } from 'esbuild'
import type { Declared } from './packages.ts'

/** Options that bundling and translating have in common. */
export type CommonOptions = ReturnType<typeof commonOptions>

/** How every program is translated, wherever it comes from. */
export function commonOptions({
  minify,
  define,
  declared,
  raw,
}: {
  minify: boolean
  define: Record<string, string>
  declared: Declared
  raw: TsconfigRaw | undefined
}) {
  return {
    format: 'esm',
    // The runtime's engine is newer, but decorators and `using` still have to be translated.
    target: 'es2024',
    platform: 'browser',
    minify,
    treeShaking: true,
    charset: 'utf8',
    legalComments: 'none',
    sourcemap: 'external',
    sourcesContent: true,
    jsx: 'automatic',
    jsxImportSource: jsxSource(declared),
    define: { 'process.env.NODE_ENV': '"production"', ...define },
    logLevel: 'silent',
    logLimit: 0,
    ...(raw === undefined ? {} : { tsconfigRaw: raw }),
  } as const satisfies BuildOptions
}

/** Whose JSX it is when tsconfig does not say: the library that the program depends on. */
function jsxSource({ dependencies }: Declared): string {
  for (const library of ['react', 'preact', 'solid-js', 'hono']) {
    if (dependencies.has(library)) return library === 'hono' ? 'hono/jsx' : library
  }
  return dependencies.size === 0 ? 'hono/jsx' : 'react'
}
