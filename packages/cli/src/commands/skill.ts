import { resolve } from 'node:path'
import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { createPrint, paint } from '../print.ts'
import { skillClients } from '../skill/clients.ts'
import { type Done, install, type Place, uninstall } from '../skill/place.ts'

interface Options {
  project?: boolean
  dir?: string
  dryRun?: boolean
  force?: boolean
  json?: boolean
}

export default function skill(command: Command): void {
  subcommand(command, 'install', 'put the skill where agents look', install, 'Put into')
  subcommand(command, 'uninstall', 'take it out again', uninstall, 'Taken out of')
}

function subcommand(
  parent: Command,
  name: string,
  summary: string,
  act: typeof install,
  done: string,
): void {
  const command = parent
    .command(name)
    .description(summary)
    .argument('[client]', 'for which client; default: for each that is on this machine')
    .option('--project', 'in this folder, for who works on it, not in your home')
    .option('--dir <folder>', 'in another folder of skills')
    .option('--dry-run', 'say what would be done')
    .option('--force', 'also where somebody has changed it')
    .addHelpText('after', `\nClients:\n${listing()}`)
  command.action((client: string | undefined) => {
    const { project, dir, dryRun = false, force = false, json } = command.optsWithGlobals<Options>()
    const places =
      dir === undefined
        ? placesOf(client, project ?? false)
        : [{ client: null, skills: resolve(dir) }]
    const changes = act(places, { dryRun, force })
    const print = createPrint({ json: json === true, verbose: false })
    print.answer({ dry_run: dryRun, places: changes }, () => {
      for (const it of changes) print.note(sentence(it, dryRun, done))
    })
  })
}

function placesOf(client: string | undefined, project: boolean): Place[] {
  const clients = skillClients()
  const here = clients.filter((it) => it.isHere)
  const chosen =
    client === undefined
      ? here.length > 0
        ? here
        : clients.slice(-1)
      : clients.filter((it) => it.id === client)
  if (chosen.length === 0) {
    throw new JackError('usage', `There is no client "${client}".`, {
      hint: `There are ${clients.map((it) => it.id).join(', ')}; for any other, name its folder with --dir.`,
    })
  }
  const places = chosen.map((it) => ({
    client: it.id,
    skills: project ? resolve(it.project) : it.user,
  }))
  // Many look into the same folder of a project.
  return places.filter((it, index) => places.findIndex((b) => b.skills === it.skills) === index)
}

const sentence = ({ file, change }: Done, dryRun: boolean, done: string): string =>
  change === 'none'
    ? paint('dim', `Nothing to do: ${file}`)
    : `${dryRun ? `Would be ${change}:` : paint('green', done)} ${file}`

const listing = (): string =>
  skillClients()
    .map((it) => `  ${it.id.padEnd(12)}  ${it.name}`)
    .join('\n')
