import { z } from 'zod'
import { AddBalance } from '../../wire/Account.ts'
import { Usd } from '../../wire/Usd.ts'
import { tool } from '../Tool.ts'

export const addBalance = tool({
  name: 'add_balance',
  title: 'Add to a balance',
  toolset: 'account',
  operations: ['addBalance'],
  also: 'A wallet pays it out of its session, and what is not used goes back.',
  input: z.strictObject({
    amount_usd: AddBalance.shape.amount_usd.describe('Such as "1" or "0.5"'),
    project: AddBalance.shape.project.describe(
      "To the owner of this project's balance: its live URL or id. Default: one's own",
    ),
  }),
  output: z.object({
    added_usd: Usd,
    resumed: z.array(z.string()).describe('Projects that go on'),
    balance_usd: Usd.optional(),
  }),
  async run({ input, jack, signal }) {
    const { held_usd: _h, pending_usd: _p, ...answer } = await jack.addBalance(input, { signal })
    return answer
  },
})
