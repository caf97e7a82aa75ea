import type { Input } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { amount } from '../amount.ts'
import { hours } from '../duration.ts'
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
    .option('--daily-cap <usd>', 'the most it may spend a day')
  create.action(async (name: string, { scope, project, expires, dailyCap }) => {
    const { jack, print, signal } = await openSession(create)
    const request = {
      name,
      scopes: scope.split(',').map((it: string) => it.trim()) as NonNullable<
        Input<'createToken'>['scopes']
      >,
      ...(project !== undefined && { project }),
      ...(expires !== undefined && { expires_in_hours: expires }),
      ...(dailyCap !== undefined && { daily_cap_usd: amount(dailyCap) }),
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
