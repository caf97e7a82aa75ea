import { dataApp } from '../harness/programs.ts'

// Run as a process: what `wrangler dev` serves an app that keeps data with, on disk as it does.
interface Library {
  Miniflare: new (options: object) => { ready: Promise<URL>; dispose(): Promise<void> }
}

const name = 'miniflare'
const { Miniflare } = (await import(name)) as Library
const miniflare = new Miniflare({
  modules: true,
  script: dataApp,
  compatibilityDate: '2026-07-01',
  host: '127.0.0.1',
  port: 0,
  kvNamespaces: ['KV'],
  d1Databases: ['DB'],
  defaultPersistRoot: process.argv[2],
})
console.log((await miniflare.ready).origin)
process.once('SIGTERM', () => {
  void miniflare.dispose().finally(() => process.exit(0))
})
