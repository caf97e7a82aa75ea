import { z } from 'zod'
import { Balance } from '../../wire/Account.ts'
import { fromUsd, toUsd, Usd } from '../../wire/Usd.ts'
import { tool } from '../Tool.ts'

export const getBalance = tool({
  name: 'get_balance',
  title: 'Balance and payment sessions',
  toolset: 'account',
  operations: ['balance', 'listSessions'],
  input: z.strictObject({}),
  output: Balance.extend({
    sessions: z
      .array(
        z.object({
          session_id: z.string(),
          deposit_usd: Usd,
          spent_usd: Usd,
          left_usd: Usd,
        }),
      )
      .describe('Open ones, of wallets; what is left goes back when they close'),
  }),
  async run({ jack, signal }) {
    const [balance, { sessions }] = await Promise.all([
      jack.balance({ signal }),
      jack.sessions.list({ limit: 20 }, { signal }),
    ])
    const open = sessions.filter(({ status }) => status === 'open')
    return {
      ...balance,
      sessions: open.map(({ session_id, deposit_usd, spent_usd, held_usd, unused_usd }) => ({
        session_id,
        deposit_usd,
        spent_usd,
        left_usd: toUsd(
          fromUsd(deposit_usd) - fromUsd(spent_usd) - fromUsd(held_usd) - fromUsd(unused_usd),
        ),
      })),
    }
  },
})
