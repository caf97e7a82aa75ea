#!/usr/bin/env node
// Imports nothing at first, so that an old Node says so instead of failing on syntax.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`jack needs Node.js 22.19 or newer; this is v${process.versions.node}.\n`)
  process.exitCode = 1
} else if (process.argv.length === 3 && /^(-V|--version)$/.test(process.argv[2] as string)) {
  const { version } = await import('./version.ts')
  process.stdout.write(`${version()}\n`)
} else {
  const { enableCompileCache } = await import('node:module')
  enableCompileCache()
  const { main } = await import('./program.ts')
  await main(process.argv.slice(2))
}

export {}
