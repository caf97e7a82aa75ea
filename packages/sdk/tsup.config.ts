import { copyFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/node.ts', 'src/wire/index.ts', 'src/mcp/index.ts', 'src/skill.ts'],
  format: 'esm',
  target: 'es2024',
  // It runs everywhere: nothing of Node may come in by a library.
  platform: 'browser',
  external: [/^node:/],
  // What a wallet signs with, of which it needs a small part: put together it loads in a fifth of the time.
  noExternal: [/^mppx($|\/)/, /^viem($|\/)/],
  metafile: true,
  // Of earlier builds. The declarations are tsc's.
  clean: ['!**/*.d.ts'],
  onSuccess: async () => copyFileSync('../../skill/SKILL.md', 'dist/SKILL.md'),
})
