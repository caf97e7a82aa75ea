import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/bin.ts'],
  format: 'esm',
  target: 'node22',
  splitting: true,
  // Of which a key needs a small part.
  noExternal: [/^viem($|\/)/, /^ox($|\/)/],
  metafile: true,
  clean: ['dist/*.js', 'dist/*.map'],
})
