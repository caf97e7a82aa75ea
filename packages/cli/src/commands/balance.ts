import type { Command } from 'commander'
import { paint, usd } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command.action(async () => {
    const { jack, print, signal } = await openSession(command)
    const balance = await print.while('Asking', jack.balance({ signal }))
    print.answer(balance, () => {
      print.out(usd(balance.balance_usd))
      if (Number(balance.held_usd) > 0)
        print.note(paint('dim', `${usd(balance.held_usd)} is held for work in progress.`))
    })
  })
