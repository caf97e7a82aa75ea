import { copyFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/node.ts', 'src/wire/index.ts', 'src/mcp/index.ts', 'src/skill.ts'],
  format: 'esm',
  target: 'node22',
  sourcemap: true,
  // Of earlier builds. The declarations are tsc's.
  clean: ['!**/*.d.ts'],
  onSuccess: async () => copyFileSync('../../skill/SKILL.md', 'dist/SKILL.md'),
})
