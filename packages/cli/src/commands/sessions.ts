import { type Answer, JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { distance, paint, table, usd } from '../print.ts'
import { openSession } from '../session.ts'

type Listed = Answer<'listSessions'>['sessions'][number]

export default function sessions(command: Command): void {
  command.action(async () => {
    const { jack, print, signal } = await openSession(command)
    const listed = await print.while(
      'Reading sessions',
      jack.sessions.list({ limit: 100 }, { signal }),
    )
    print.answer(listed, () => {
      if (listed.sessions.length === 0) {
        print.note('There are no sessions. A wallet opens one when it pays for the first time.')
        return
      }
      print.out(
        table(
          ['id', 'status', 'deposit#', 'authorized#', 'spent#', 'in balances#?', 'used'],
          listed.sessions.map((it) => [
            it.session_id,
            it.status,
            usd(it.deposit_usd),
            usd(it.authorized_usd),
            usd(it.spent_usd),
            Number(it.unused_usd) > 0 ? usd(it.unused_usd) : '',
            distance(it.used_at),
          ]),
        ),
      )
    })
  })

  const close = command
    .command('close')
    .description('close a session, or with --all every open one; what is not spent goes back')
    .argument('[session]', 'its id (ses_...) or that of its channel')
    .option('--all', 'every open session')
  close.action(async (given: string | undefined, { all }: { all?: boolean }) => {
    const { jack, print, signal } = await openSession(close)
    if (given === undefined && !all) {
      throw new JackError('usage', 'Which session?', {
        hint: 'Name one, or say --all.',
        next: [{ command: 'jack sessions', when: 'to see them' }],
      })
    }
    const wanted = given === undefined ? await openOnes() : [given]
    const closed: Listed[] = []
    for (const id of wanted)
      closed.push(await print.while(`Closing ${id}`, jack.sessions.close(id, { signal })))
    print.answer({ sessions: closed }, () => {
      if (closed.length === 0) print.note('No session is open.')
      for (const it of closed) print.out(outcome(it))
    })

    async function openOnes(): Promise<string[]> {
      const { sessions } = await jack.sessions.list({ limit: 100 }, { signal })
      return sessions.filter((it) => it.status !== 'closed').map((it) => it.session_id)
    }
  })
}

function outcome({ session_id, status, close }: Listed): string {
  if (!close) return `${session_id} is ${status}: it ends when what is in progress has ended.`
  const tx = close.tx_hash ? paint('dim', ` ${close.tx_hash}`) : ''
  return `${session_id} is closed: ${usd(close.captured_usd)} was spent, ${usd(close.refunded_usd)} went back.${tx}`
}
