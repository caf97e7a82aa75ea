import { copyFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/bin.ts'],
  format: 'esm',
  target: 'node22',
  splitting: true,
  // `jack mcp` is started for every agent, and a wallet by every command that pays: to find hundreds of small files takes
  // longer than to run what is in them.
  noExternal: [
    /^@jackcloud\/sdk($|\/)/,
    /^@modelcontextprotocol\/sdk($|\/)/,
    /^viem($|\/)/,
    /^ox($|\/)/,
  ],
  metafile: true,
  clean: ['dist/*.js', 'dist/*.map'],
  onSuccess: async () => copyFileSync('../../skill/SKILL.md', 'dist/SKILL.md'),
})
