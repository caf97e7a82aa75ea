import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

test('the client is one small module for browsers and Workers; Node, schemas and the wallet are not in it', async () => {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL('index.ts', import.meta.url))],
    bundle: true,
    write: false,
    splitting: true,
    outdir: '/out',
    minify: true,
    metafile: true,
    platform: 'browser',
    format: 'esm',
    conditions: ['jack:src'],
  })
  const { outputs } = metafile
  const begun = new Set(Object.keys(outputs).filter((path) => outputs[path]?.entryPoint))
  // What is imported only when it is needed is another matter, as is the wallet.
  const entries = [...begun].filter((path) => path.endsWith('/index.js'))
  const loaded = new Set(entries)
  for (const path of loaded) {
    for (const it of outputs[path]?.imports ?? []) {
      if (it.kind === 'import-statement') loaded.add(it.path)
    }
  }
  const parts = [...loaded].map((path) => outputs[path])
  const inputs = parts.flatMap((it) => Object.keys(it?.inputs ?? {}))
  expect(entries).toHaveLength(1)
  expect(
    inputs.filter((path) => /node_modules|\/node\.ts|localhost|signer|purchase/.test(path)),
  ).toEqual([])
  expect(parts.reduce((sum, it) => sum + (it?.bytes ?? Infinity), 0)).toBeLessThan(22_000)
  expect(Object.values(outputs).some((it) => it.entryPoint?.endsWith('wallet/signer.ts'))).toBe(
    true,
  )
})
