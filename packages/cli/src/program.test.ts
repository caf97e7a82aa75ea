import { type Operation, operations } from '@jackcloud/sdk/wire'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { createProgram } from './program.ts'

test('every command that an operation names is there', async () => {
  const program = await createProgram(() => true, {})
  const found = (words: string[]): Command | undefined =>
    words.reduce<Command | undefined>(
      (at, word) => at?.commands.find((it) => it.name() === word),
      program,
    )
  for (const [name, { command }] of Object.entries<Operation>(operations)) {
    if (command === null) continue
    const words = command.split(' ')
    const it = found(words.filter((word) => !word.startsWith('--')))
    expect(it, name).toBeDefined()
    const options = it?.options.map(({ long }) => long)
    for (const flag of words.filter((word) => word.startsWith('--')))
      expect(options, name).toContain(flag)
  }
})
