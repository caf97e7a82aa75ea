import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { paint, usd } from '../print.ts'
import { openSession } from '../session.ts'
import { loadWallet } from '../wallet/loadWallet.ts'
import { developmentWallet } from '../wallet/paying.ts'

export default (command: Command) =>
  command
    .argument('[projects...]', 'only these; default: everything that the wallet deployed')
    .addHelpText(
      'after',
      '\nThe wallet signs a message, which costs nothing. URLs stay, and so does the money in the wallet.',
    )
    .action(async (projects: string[]) => {
      const session = await openSession(command, { unpaid: true })
      const { jack, print, settings, signal } = session
      if (settings.token.value === undefined) {
        throw new JackError('unauthorized', 'Which account is to get them?', {
          next: [{ command: 'jack login', when: 'to sign in to it' }],
        })
      }
      const wallet = (await loadWallet(session)) ?? (await developmentWallet(settings))
      if (!wallet) {
        throw new JackError('unauthorized', 'There is no wallet that could say so.', {
          next: [{ command: 'jack wallet import', when: 'to bring along the one that deployed' }],
        })
      }
      const named = projects.length > 0 ? projects : undefined
      const answer = await print.while(
        'Claiming',
        jack.claims.attach(wallet.account, named, { signal }),
      )
      print.answer(answer, () => {
        for (const { name, url } of answer.claimed) {
          print.out(url)
          print.note(`${paint('green', 'Yours')}: ${name}`)
        }
        for (const { name, reason } of answer.refused) print.warn(`${name} stays: ${reason}`)
        if (answer.claimed.length + answer.refused.length === 0)
          print.note('The wallet has deployed nothing that is still there.')
        if (answer.hint) print.warn(answer.hint)
        else print.note(paint('dim', `The balance of the account is ${usd(answer.balance_usd)}.`))
      })
    })
