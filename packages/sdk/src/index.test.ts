import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { expect, test } from 'vitest'

test('the client is one small module for browsers and Workers, without Node and without the schemas', async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: [fileURLToPath(new URL('index.ts', import.meta.url))],
    bundle: true,
    write: false,
    minify: true,
    metafile: true,
    platform: 'browser',
    format: 'esm',
    conditions: ['jack:src'],
  })
  const inputs = Object.keys(metafile.inputs).map((path) => path.replace(/.*src\//, ''))
  expect(inputs.filter((path) => /zod|undici|node/.test(path))).toEqual([])
  const imports = Object.values(metafile.outputs).flatMap((it) => it.imports)
  expect(imports).toEqual([])
  expect(outputFiles[0]?.contents.byteLength).toBeLessThan(20_000)
})
