import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Program } from '@jackcloud/bundler'
import { type Answer, JackError } from '@jackcloud/sdk'
import type { DeployOptions } from '@jackcloud/sdk/node'
import { fromUsd, toUsd } from '@jackcloud/sdk/wire'
import type { Command } from 'commander'
import { amount } from '../amount.ts'
import { confirm } from '../ask.ts'
import { hours } from '../duration.ts'
import { assignments, parseEnvFile } from '../environment.ts'
import { placeOf } from '../failure.ts'
import { bytes, distance, paint, placeText, took, usd } from '../print.ts'
import { nameOf, type ProjectName, readPlace, slugify, writeLink } from '../project.ts'
import { runwayText } from '../runway.ts'
import { openSession, type Session } from '../session.ts'
import { isCi, normalUrl } from '../settings.ts'

interface Options {
  name?: string
  env?: string[]
  envFile?: string
  budget?: string
  ttl?: number
  verify?: string[]
  dryRun?: boolean
  staged?: boolean
}

const collect = (value: string, before: string[] = []) => [...before, value]

export default (command: Command) =>
  command
    .argument('[dir]', 'the folder', '.')
    .option(
      '-n, --name <name>',
      'the project; default: from jack.json, wrangler, package.json or the folder',
    )
    .option(
      '-e, --env <NAME=value>',
      'set a variable; NAME alone takes it from here (repeatable)',
      collect,
    )
    .option('--env-file <file>', 'set every variable of an .env file')
    .option(
      '--budget <usd>',
      'the most that the project may spend on runtime; a wallet adds it to the balance',
    )
    .option(
      '--ttl <time>',
      'expire after 24h, 7d ...; default: as before, at first after a week without use',
      hours,
    )
    .option('--verify </path=status>', 'go live only when this answers so (repeatable)', collect)
    .option('--staged', 'deploy what `jack files put` staged, not a folder')
    .option('--dry-run', 'bundle, and say what it would cost')
    .action(async (dir: string, options: Options) => {
      const folder = resolve(dir)
      const session = await openSession(command, { folder })
      const { print } = session
      if (
        options.name !== undefined &&
        options.name !== slugify(options.name) &&
        !options.name.startsWith('prj_')
      ) {
        throw new JackError('usage', `"${options.name}" is not a name for a project.`, {
          hint: `Lower-case letters, digits and single hyphens, such as "${slugify(options.name)}".`,
        })
      }
      const settings = await settingsOf(options)
      if (options.staged) return deployStaged(session, options, settings)
      const program = await print.while('Bundling', read(folder))
      for (const warning of program.warnings) {
        print.warn(placeText(placeOf(warning)).join('\n').trim())
      }
      const project = await nameOfProgram(folder, program, session, options.name)
      if (options.dryRun) return dryRun(session, program, project)
      await deploy(session, folder, program, project, settings)
    })

async function read(folder: string): Promise<Program> {
  if (!existsSync(folder)) {
    throw new JackError('usage', `There is no folder ${folder}.`, {
      next: [{ command: 'jack new my-app', when: 'to make one' }],
    })
  }
  const { readProgram } = await import('@jackcloud/bundler')
  return readProgram(folder)
}

async function settingsOf(options: Options): Promise<DeployOptions> {
  const env = {
    ...(options.envFile !== undefined && parseEnvFile(await readFile(options.envFile, 'utf8'))),
    ...assignments(options.env ?? [], process.env),
  }
  return {
    ...(Object.keys(env).length > 0 && { env }),
    ...(options.budget !== undefined && { budget_usd: amount(options.budget) }),
    ...(options.ttl !== undefined && { ttl_hours: options.ttl }),
    ...(options.verify !== undefined && { verify: options.verify.map(verifyOf) }),
  }
}

/** @example verifyOf('/health=204') // { path: '/health', status: 204 } */
export function verifyOf(text: string): { path: string; status: number } {
  const match = /^(\/.*?)(?:=(\d{3}))?$/.exec(text)
  if (match) return { path: match[1] as string, status: Number(match[2] ?? 200) }
  throw new JackError('usage', `"${text}" is not a check.`, { hint: 'It looks like /health=200.' })
}

/** The name to deploy a program under: what is said, configured, or was used before. */
export async function nameOfProgram(
  folder: string,
  program: Program,
  { settings, place }: Session,
  flag: string | undefined,
): Promise<ProjectName> {
  const { jackJson, link } = await readPlace(folder)
  const linked = link && normalUrl(link.url) === settings.url.value ? link.project : undefined
  const environment = settings.project.origin.startsWith('environment')
    ? settings.project.value
    : undefined
  return nameOf(folder, {
    flag: flag ?? environment,
    configured: jackJson?.name ?? (namedByWrangler(folder) ? program.name : place.jackJson?.name),
    link: linked,
  })
}

/** The bundler tells the name, but not whether it found it in wrangler's file or in package.json. */
function namedByWrangler(folder: string): boolean {
  return ['wrangler.json', 'wrangler.jsonc', 'wrangler.toml'].some((file) => {
    const path = join(folder, file)
    return existsSync(path) && /(^|[{,\s])"?name"?\s*[:=]/.test(readFileSync(path, 'utf8'))
  })
}

async function deploy(
  session: Session,
  folder: string,
  program: Program,
  project: ProjectName,
  settings: DeployOptions,
): Promise<void> {
  const { jack, print, signal } = session
  const { deployProgram } = await import('@jackcloud/sdk/node')
  const idempotencyKey = crypto.randomUUID()
  const send = (ifExists: 'update' | 'refuse') =>
    print.while(
      `Deploying ${project.name}`,
      deployProgram(jack, program, {
        ...settings,
        name: project.name,
        if_exists: ifExists,
        signal,
        idempotencyKey: `${idempotencyKey}-${ifExists}`,
      }),
    )
  let answer: Answer<'upload'>
  try {
    answer = await send(
      project.explicit || (await confinedTo(session, project.name)) ? 'update' : 'refuse',
    )
  } catch (error) {
    if (!(error instanceof JackError && error.code === 'name_taken') || project.explicit)
      throw error
    answer = await send(await mayUpdate(session, project, error))
  }
  writeLink(folder, {
    project: answer.name,
    project_id: answer.project_id,
    url: session.settings.url.value,
  })
  await fundRuntime(session, settings.budget_usd)
  // Since the process started.
  report(session, program, answer, performance.now())
}

/** A wallet that names a budget means to pay for it: what the balance lacks of it is added, out of the session. */
async function fundRuntime(session: Session, budgetUsd: string | undefined): Promise<void> {
  const { jack, print, signal, wallet } = session
  if (!wallet) return
  const before = await jack.balance({ signal })
  const lacking = fromUsd(budgetUsd ?? '0') - fromUsd(before.balance_usd)
  if (lacking > 0n) {
    const request = { amount_usd: toUsd(lacking) }
    const added = await print.while('Adding the budget', jack.addBalance(request, { signal }))
    print.note(`${usd(added.added_usd)} was added for its runtime; what is not used comes back.`)
  }
  print.note(paint('dim', runwayText(await jack.usage({}, { signal }))))
}

/** What is staged was sent before, and is bundled on the server. */
async function deployStaged(
  session: Session,
  { name, dryRun }: Options,
  settings: DeployOptions,
): Promise<void> {
  const { jack, print, signal } = session
  const request = { ...settings, name: name ?? session.project(), staged: true, files: {} }
  if (dryRun) {
    const answer = await print.while('Asking for the price', jack.quote(request, { signal }))
    print.answer(answer, () => print.out(`${request.name}: ${usd(answer.price_usd)}`))
    return
  }
  const answer = await print.while(`Deploying ${request.name}`, jack.deploy(request, { signal }))
  report(session, undefined, answer, performance.now())
}

/** A token that can reach only this project cannot hit another one by a name made up from a folder. */
async function confinedTo({ jack, settings, signal }: Session, name: string): Promise<boolean> {
  if (!isCi(process.env) || settings.token.origin !== 'environment JACK_TOKEN') return false
  const { token } = await jack.me({ signal })
  return token?.project === name
}

async function mayUpdate(
  session: Session,
  { name, origin }: ProjectName,
  taken: JackError,
): Promise<'update'> {
  const question = `You have a project ${name} already, and this folder was not deployed to it before. Update it?`
  if (session.interactive && (await confirm(session, question))) return 'update'
  throw new JackError(
    'name_taken',
    `You have a project ${name} already, and this folder is not known to be it.`,
    {
      hint: `The name was made from ${origin}. Say which project is meant with --name, or with {"name": "..."} in jack.json.`,
      next: [
        { command: `jack deploy --name ${name}`, when: 'to update that project' },
        { command: `jack deploy --name ${name.slice(0, 38)}-2`, when: 'to make another one' },
      ],
      requestId: taken.requestId,
    },
  )
}

function report(
  { print }: Session,
  program: Program | undefined,
  answer: Answer<'upload'>,
  ms: number,
): void {
  // What was found while bundling was said before, but not to a program.
  const found = (program?.warnings ?? []).map(({ text, hint }) => (hint ? `${text} ${hint}` : text))
  print.answer({ ...answer, warnings: [...found, ...answer.warnings] }, () => {
    for (const warning of answer.warnings) print.warn(warning)
    print.out(answer.url)
    if (answer.deduplicated) {
      print.note('Nothing changed: this version is live already. Nothing was charged.')
    } else {
      const charged = `${usd(answer.charged_usd)} charged`
      print.note(
        `${paint('green', answer.created ? 'Live' : 'Updated')} in ${took(ms)}: ${program ? contents(program) : bytes(answer.size_bytes)}, ${charged}.`,
      )
      if (answer.expires_at) {
        const unless = answer.ttl_hours === null ? ' unless it is used' : ''
        print.note(`It expires ${distance(answer.expires_at)}${unless} (${answer.expires_at}).`)
      }
    }
    if (answer.claim_url)
      print.note(
        `${paint('cyan', 'Keep it')}: ${answer.claim_url}  ${paint('dim', 'once, within a day; who has it gets the project')}`,
      )
    print.note(paint('dim', `This version alone: ${answer.deployment_url}`))
    print.note(
      `${paint('cyan', 'next')} ${paint('bold', `jack logs ${answer.name} -f`)}  ${paint('dim', 'to see what it prints')}`,
    )
  })
}

function contents({ bundle, assets }: Program): string {
  const parts = []
  if (bundle) parts.push(`${bytes(bundle.sizeBytes)} of code`)
  if (assets) {
    const size = assets.files.reduce((sum, file) => sum + file.sizeBytes, 0)
    parts.push(
      `${assets.files.length} ${assets.files.length === 1 ? 'file' : 'files'} (${bytes(size)})`,
    )
  }
  return parts.join(' and ')
}

/** Bundles here and asks for the price of the manifest: nothing is uploaded. */
async function dryRun(
  { jack, print, signal }: Session,
  program: Program,
  project: ProjectName,
): Promise<void> {
  const { packed } = await import('@jackcloud/sdk/node')
  const { manifest } = packed(program)
  const request = { manifest, name: project.name }
  const answer = await print.while('Asking for the price', jack.quote(request, { signal }))
  print.answer(answer, () => {
    const price = answer.deduplicated ? 'unchanged, free' : usd(answer.price_usd)
    print.out(`${project.name}: ${contents(program)}, ${price}`)
    if (answer.balance_usd !== null) print.note(`Your balance is ${usd(answer.balance_usd)}.`)
    print.note(`Nothing was uploaded. The name is from ${project.origin}.`)
  })
}
