import type { Command } from 'commander'
import { distance, listing, usd } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command.action(async () => {
    const { jack, print, settings, signal } = await openSession(command)
    const me = await print.while('Asking', jack.me({ signal }))
    print.answer(me, () =>
      print.out(
        listing([
          ['account', me.slug],
          ['kind', me.kind],
          ['balance', usd(me.balance_usd)],
          ['token', me.token && `${me.token.name} (${me.token.scopes.join(', ')})`],
          ['project', me.token?.project],
          ['cap a day', usd(me.token?.daily_cap_usd)],
          ['ends', me.token && distance(me.token.expires_at)],
          ['url', settings.url.value],
          ['id', me.account_id],
        ]),
      ),
    )
  })
