import { createRequire } from 'node:module'
import { join } from 'node:path'
import { bundle, stop } from '@jackcloud/bundler'
import { honoFolder, honoVersion } from './harness/honoFolder.ts'
import { besides, inTurns, p50, p99, timed } from './harness/measure.ts'
import { newFolder } from './harness/processes.ts'
import { honoApp } from './harness/programs.ts'
import type { Question } from './harness/Question.ts'

/** As much of esbuild as is used here: it is a dependency of the bundler, not of the workspace. */
interface Esbuild {
  build(options: object): Promise<{ outputFiles: { contents: Uint8Array }[] }>
  stop(): Promise<void>
}

const require = createRequire(new URL('../packages/bundler/package.json', import.meta.url))
const esbuild = require('esbuild') as Esbuild

export default {
  name: 'bundle',
  asks: 'How long does it take to bundle a Hono app after an edit, warm?',
  goals: {
    'bundle-p50': { unit: 'ms', atMost: 15 },
    'bundle-p99': { unit: 'ms' },
    'bundle-files-p50': { unit: 'ms', atMost: 15 },
  },
  async run() {
    const app = honoFolder()
    // The bundler's own options, as packages/bundler/src/esbuildOptions.ts has them.
    const options = {
      entryPoints: [join(app.folder, 'src/index.ts')],
      absWorkingDir: app.folder,
      outdir: join(app.folder, 'out'),
      bundle: true,
      write: false,
      format: 'esm',
      target: 'es2024',
      platform: 'browser',
      conditions: ['workerd', 'worker', 'browser'],
      minify: true,
      treeShaking: true,
      charset: 'utf8',
      legalComments: 'none',
      sourcemap: 'external',
      sourcesContent: true,
      define: { 'process.env.NODE_ENV': '"production"' },
      logLevel: 'silent',
    }
    let version = 0
    const edited = (work: () => Promise<unknown>) => () => {
      app.write(`version ${++version}`)
      return timed(work)
    }
    try {
      const fromFiles = await filesBundler()
      const samples = await inTurns(
        {
          jack: edited(() => bundle(app.folder)),
          ...(fromFiles && { files: () => timed(() => fromFiles(++version)) }),
          esbuild: edited(() => esbuild.build(options)),
        },
        { rounds: 30, perTurn: 7, warmUp: 4 },
      )
      const { sizeBytes } = await bundle(app.folder)
      return [
        {
          name: 'bundle-p50',
          value: p50(samples.jack),
          beside: besides(samples, ['esbuild']),
          extra: { n: samples.jack.length, p99: p99(samples.jack), size_bytes: sizeBytes },
          note: `to ${(sizeBytes / 1_000).toFixed(1)} kB and a digest; esbuild alone with the same options`,
        },
        {
          name: 'bundle-p99',
          value: p99(samples.jack),
          beside: besides(samples, ['esbuild'], p99),
        },
        ...(samples.files
          ? [
              {
                name: 'bundle-files-p50',
                value: p50(samples.files),
                beside: besides(samples, ['esbuild']),
                extra: { n: samples.files.length, p99: p99(samples.files) },
                note: 'the same app as files of a request, Hono from the package cache',
              },
            ]
          : []),
      ]
    } finally {
      await Promise.all([stop(), esbuild.stop()])
    }
  },
} satisfies Question

/** Bundles the app as the API does with files that it is sent; undefined when the npm registry is out of reach. */
async function filesBundler(): Promise<((version: number) => Promise<unknown>) | undefined> {
  const cacheDir = newFolder()
  const manifest = JSON.stringify({ dependencies: { hono: honoVersion() } })
  const bundleFiles = (version: number) =>
    bundle(
      { 'src/index.ts': honoApp(`version ${version}`), 'package.json': manifest },
      { cacheDir, entry: 'src/index.ts' },
    )
  try {
    await bundleFiles(0)
    return bundleFiles
  } catch (error) {
    process.stderr.write(`!!! bundle-files is NOT measured: ${(error as Error).message}\n`)
    return undefined
  }
}
