import { bundle } from '@jackcloud/bundler'
import { expect, test } from 'vitest'
import { mapStack } from './stack.ts'

test('a place in the module that was sent becomes the place in the file that it was made of', async () => {
  const made = await bundle(
    {
      'index.ts': "import { fail } from './lib/fail.ts'\nexport const run = () => fail()\n",
      'lib/fail.ts': 'interface A {}\n\nexport function fail(): A {\n  throw new Error("no")\n}\n',
    },
    { minify: false },
  )
  const lines = Buffer.from(made.modules[0]?.bytes ?? [])
    .toString()
    .split('\n')
  const line = lines.findIndex((text) => text.includes('throw new Error'))
  const column = lines[line]?.indexOf('new Error') ?? 0
  const stack = `Error: no\n    at fail (main.ts:${line + 1}:${column + 1})\n    at run (other.js:1:1)`
  expect(mapStack(stack, made.sourceMap)).toBe(
    'Error: no\n    at fail (lib/fail.ts:4:9)\n    at run (other.js:1:1)',
  )
})
