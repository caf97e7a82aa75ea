import type { Input } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { amount } from '../amount.ts'
import { hours } from '../duration.ts'
import { idTokenOf } from '../idToken.ts'
import { distance, paint, table, usd } from '../print.ts'
import { openSession } from '../session.ts'

export default function token(command: Command): void {
  const create = command
    .command('create')
    .description('make a token; it is printed once')
    .argument('[name]', 'what it is for', 'token')
    .option(
      '-s, --scope <scopes>',
      'read, execute, deploy, admin; separated by commas',
      'read,deploy',
    )
    .option('-p, --project <project>', 'confine it to one project')
    .option('--expires <time>', 'end it after 12h, 30d ...', hours)
    .option('--daily <usd>', 'the most it may spend a day')
  create.action(async (name: string, { scope, project, expires, daily }) => {
    const { jack, print, signal } = await openSession(create)
    const request = {
      name,
      scopes: scope.split(',').map((it: string) => it.trim()) as NonNullable<
        Input<'createToken'>['scopes']
      >,
      ...(project !== undefined && { project }),
      ...(expires !== undefined && { expires_in_hours: expires }),
      ...(daily !== undefined && { daily_cap_usd: amount(daily) }),
    }
    const created = await print.while('Creating', jack.tokens.create(request, { signal }))
    print.answer(created, () => {
      print.out(created.token)
      print.note(
        paint(
          'dim',
          `${created.token_id} may ${created.scopes.join(', ')}. It will not be shown again.`,
        ),
      )
    })
  })

  const exchange = command
    .command('exchange')
    .description('get a token for an hour in a CI that a project trusts; it is printed')
    .option(
      '--id-token <token>',
      "the CI's OpenID Connect token, - for stdin; GitHub's is asked for",
    )
    .option('-p, --project <project>', 'which one, when several trust the same')
    .option('--account <slug>', 'whose, when several trust the same')
  exchange.action(async ({ idToken, project, account }) => {
    const { jack, print, signal } = await openSession(exchange, { unpaid: true })
    const token = await idTokenOf(idToken, jack.url, signal)
    const exchanged = await print.while(
      'Exchanging',
      jack.tokens.exchange({ token, project, account }, { signal }),
    )
    print.answer(exchanged, () => {
      print.out(exchanged.token)
      print.note(paint('dim', `For ${exchanged.project}, until ${exchanged.expires_at}.`))
    })
  })

  const ls = command.command('ls').description('list tokens')
  ls.action(async () => {
    const { jack, print, signal } = await openSession(ls)
    const tokens = await print.while(
      'Reading tokens',
      Array.fromAsync(jack.tokens.all({ limit: 200 }, { signal })),
    )
    print.answer({ tokens, next_cursor: null }, () =>
      print.out(
        table(
          ['id', 'name', 'begins?', 'scopes', 'project?', 'cap#?', 'expires', 'used?'],
          tokens.map((it) => [
            it.token_id,
            it.name,
            `${it.prefix}…`,
            it.scopes.join(','),
            it.project ?? '',
            usd(it.daily_cap_usd),
            distance(it.expires_at),
            distance(it.last_used_at),
          ]),
        ),
      ),
    )
  })

  const rm = command
    .command('rm')
    .description('revoke a token at once')
    .argument('<id>', 'its id (tok_...)')
  rm.action(async (id: string) => {
    const { jack, print, signal } = await openSession(rm)
    const deleted = await print.while('Revoking', jack.tokens.revoke(id, { signal }))
    print.answer(deleted, () => print.note(`${deleted.id} is revoked.`))
  })
}
