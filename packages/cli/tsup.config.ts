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
  // `jack mcp` is started for every agent, and to find hundreds of small files takes longer than to read them. What the
  // client loads only when it pays stays outside.
  noExternal: [/^@jackcloud\/sdk/, /^@modelcontextprotocol\/sdk/],
})
