import type { Answer } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { amount } from '../amount.ts'
import { type Print, paint, usd } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) => {
  command.action(async () => {
    const { jack, print, signal } = await openSession(command)
    const balance = await print.while('Asking', jack.balance({ signal }))
    print.answer(balance, () => say(print, balance))
  })

  const add = command
    .command('add')
    .description(
      'add to a balance with a wallet, or test money on a local cloud; apps that wait for it go on',
    )
    .argument('<usd>', 'how much')
    .option('-p, --project <url>', 'to that of the owner of any project: its live URL or id')
  add.action(async (given: string, { project }: { project?: string }) => {
    const { jack, print, signal } = await openSession(add)
    const request = { amount_usd: amount(given), ...(project !== undefined && { project }) }
    const added = await print.while('Adding', jack.addBalance(request, { signal }))
    print.answer(added, () => {
      const { balance_usd, held_usd = '0', pending_usd = '0' } = added
      if (balance_usd !== undefined) say(print, { balance_usd, held_usd, pending_usd })
      print.note(`${usd(added.added_usd)} was added.`)
      if (added.resumed.length > 0) print.note(`These go on: ${added.resumed.join(', ')}.`)
    })
  })
}

function say(print: Print, balance: Answer<'balance'>): void {
  print.out(usd(balance.balance_usd))
  if (Number(balance.held_usd) > 0)
    print.note(paint('dim', `${usd(balance.held_usd)} is held for work in progress.`))
  if (Number(balance.pending_usd) > 0)
    print.note(paint('dim', `${usd(balance.pending_usd)} of runtime is used and not charged yet.`))
}
