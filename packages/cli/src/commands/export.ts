import { randomBytes } from 'node:crypto'
import { createWriteStream, renameSync, rmSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { bytes } from '../print.ts'
import { openSession, type Session } from '../session.ts'

export default (command: Command) =>
  command
    .argument('[project]', 'name or id; default: the project of this folder')
    .option('-o, --output <file>', 'where to; default: <project>.tar.gz')
    .action(async (given, { output }: { output?: string }) => {
      const session = await openSession(command, { project: given })
      const { print } = session
      const project = session.project()
      const file = resolve(output ?? `${project}.tar.gz`)
      await print.while('Exporting', save(session, project, file))
      const answer = { file, size_bytes: statSync(file).size }
      print.answer(answer, () => {
        print.out(file)
        print.note(
          `${bytes(answer.size_bytes)}: what is live, its settings, its data. Values of the environment are not in it.`,
        )
      })
    })

/** A file that is there is whole: until then it has another name. */
async function save({ jack, signal }: Session, project: string, file: string): Promise<void> {
  const draft = `${file}.${randomBytes(4).toString('hex')}`
  try {
    const body = await jack.projects.export(project, { signal })
    // biome-ignore lint/suspicious/noExplicitAny: the platform's stream and Node's are one, and two types
    const from = Readable.fromWeb(body as any)
    await pipeline(from, createWriteStream(draft, { mode: 0o600, flags: 'wx', flush: true }))
    renameSync(draft, file)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}
