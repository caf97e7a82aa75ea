import { z } from 'zod'
import { scopes } from '../../wire/Account.ts'
import { Usd } from '../../wire/Usd.ts'
import { tool } from '../Tool.ts'

export const whoami = tool({
  name: 'whoami',
  title: 'Who am I',
  toolset: 'account',
  operations: ['me'],
  input: z.strictObject({}),
  output: z.object({
    account_id: z.string(),
    slug: z.string().describe('How its live URLs begin'),
    kind: z.enum(['local', 'wallet', 'person']),
    address: z.string().nullable(),
    balance_usd: Usd,
    token: z
      .object({
        name: z.string(),
        scopes: z.array(z.enum(scopes)),
        project: z.string().nullable().describe('The only one that it reaches'),
        daily_cap_usd: Usd.nullable(),
        expires_at: z.string().nullable(),
      })
      .nullable(),
    api: z.string(),
  }),
  async run({ jack, signal }) {
    const { token, ...me } = await jack.me({ signal })
    const { name, scopes, project, daily_cap_usd, expires_at } = token ?? {}
    return {
      ...me,
      token: token && { name, scopes, project, daily_cap_usd, expires_at },
      api: jack.url,
    }
  },
})
