import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { Option } from 'commander'
import { amount } from '../amount.ts'
import { distance, paint, table, usd } from '../print.ts'
import { openSession } from '../session.ts'

export default function trust(command: Command): void {
  const add = command
    .command('add')
    .description('let runs of a CI get tokens for a project')
    .option('-p, --project <project>', 'the project; it has to exist')
    .option('--github <owner/repo>', 'runs of this repository on GitHub')
    .option('--gitlab <group/project>', 'runs of this project on gitlab.com')
    .option('--branch <branch>', 'of this branch only (default: main)')
    .option('--environment <name>', 'of this environment only (GitHub)')
    .option('--any', 'of any branch, tag and environment')
    .addOption(new Option('--issuer <url>', 'another OpenID Connect issuer'))
    .option('--subject <subject>', 'its claim `sub`, whole')
    .option('-s, --scope <scopes>', 'read, execute, deploy; separated by commas', 'read,deploy')
    .option('--daily <usd>', 'the most that all of them may spend a day', '1')
    .addHelpText(
      'after',
      '\n  jack trust add --github octo/app -p my-api --branch main --daily 0.50',
    )
  add.action(async (options) => {
    const session = await openSession(add)
    const { jack, print, signal } = session
    const request = {
      ...whom(options),
      project: session.project(),
      scopes: options.scope.split(',').map((it: string) => it.trim()),
      daily_cap_usd: amount(options.daily),
    }
    const added = await print.while('Adding', jack.trusts.create(request, { signal }))
    print.answer(added, () => {
      print.note(`${added.subject} may ${added.scopes.join(', ')} ${paint('bold', added.project)}.`)
      print.note(paint('dim', `At most ${usd(added.daily_cap_usd)} a day. ${added.trust_id}`))
    })
  })

  const ls = command.command('ls').description('list whom projects trust')
  ls.action(async () => {
    const { jack, print, signal } = await openSession(ls)
    const trusts = await print.while(
      'Reading trusts',
      Array.fromAsync(jack.trusts.all({ limit: 200 }, { signal })),
    )
    print.answer({ trusts, next_cursor: null }, () =>
      print.out(
        table(
          ['id', 'subject', 'project', 'scopes', 'daily#', 'used?'],
          trusts.map((it) => [
            it.trust_id,
            it.subject,
            it.project,
            it.scopes.join(','),
            usd(it.daily_cap_usd),
            distance(it.last_used_at),
          ]),
        ),
      ),
    )
  })

  const rm = command
    .command('rm')
    .description('trust no more, and revoke every token that was got by it')
    .argument('<id>', 'its id (tru_...)')
  rm.action(async (id: string) => {
    const { jack, print, signal } = await openSession(rm)
    const deleted = await print.while('Removing', jack.trusts.delete(id, { signal }))
    print.answer(deleted, () => print.note(`${deleted.id} is removed, and its tokens are revoked.`))
  })
}

interface Whom {
  github?: string
  gitlab?: string
  branch?: string
  environment?: string
  any?: boolean
  issuer?: string
  subject?: string
}

/** Issuer and subject, as each CI writes its own. */
function whom({ github, gitlab, branch = 'main', environment, any, issuer, subject }: Whom) {
  if (github !== undefined) {
    const what = any ? '*' : environment ? `environment:${environment}` : `ref:refs/heads/${branch}`
    return {
      issuer: 'https://token.actions.githubusercontent.com',
      subject: `repo:${github}:${what}`,
    }
  }
  if (gitlab !== undefined) {
    if (environment !== undefined) {
      throw new JackError('usage', 'GitLab says nothing of the environment in its subject.', {
        hint: 'Pass --branch, or --any.',
      })
    }
    const what = any ? '*' : `ref_type:branch:ref:${branch}`
    return { issuer: 'https://gitlab.com', subject: `project_path:${gitlab}:${what}` }
  }
  if (issuer !== undefined && subject !== undefined) return { issuer, subject }
  throw new JackError('usage', 'Who shall be trusted?', {
    hint: 'Pass --github owner/repo, --gitlab group/project, or --issuer and --subject.',
  })
}
