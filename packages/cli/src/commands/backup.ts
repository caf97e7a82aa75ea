import { randomBytes } from 'node:crypto'
import { createWriteStream, renameSync, rmSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { askOperator } from '../operator.ts'
import { bytes, paint } from '../print.ts'
import { openSession } from '../session.ts'

export default (command: Command) =>
  command
    .argument('[file]', 'where to; default: jack-<date>.tar.gz')
    .option('--data <dir>', 'where the cloud keeps everything (JACK_DATA)')
    .action(async (given: string | undefined, options: { data?: string }) => {
      const { print, settings, signal } = await openSession(command, {
        unpaid: true,
        data: options.data,
      })
      const data = settings.data.value
      const day = new Date().toISOString().slice(0, 10)
      const file = resolve(given ?? `jack-${day}.tar.gz`)
      const saved = await print.while('Saving', save(data, file, signal))
      const answer = { file, size_bytes: statSync(file).size, ...saved }
      print.answer(answer, () => {
        print.out(file)
        print.note(
          `${answer.projects} projects and ${answer.blobs} files, ${bytes(answer.size_bytes)}. Secrets are inside: keep it safe.`,
        )
        if (answer.lost > 0)
          print.warn(
            `${answer.lost} files are damaged on disk and in no backup; the log of the cloud names them.`,
          )
        print.note(
          `${paint('cyan', 'next')} ${paint('bold', `jack restore ${file} --data <empty folder>`)}  ${paint('dim', 'to try whether it holds')}`,
        )
      })
    })

interface Saved {
  projects: number
  blobs: number
  /** Files that the cloud itself lost. */
  lost: number
}

/** A file that is there is whole: until then it has another name. */
async function save(data: string, file: string, signal: AbortSignal): Promise<Saved> {
  const draft = `${file}.${randomBytes(4).toString('hex')}`
  try {
    const response = await askOperator(data, '/backup', signal)
    if (response.statusCode !== 200) throw broken()
    await pipeline(response, createWriteStream(draft, { mode: 0o600, flags: 'wx', flush: true }))
    const said = response.trailers['x-jack-backup']
    if (!response.complete || said === undefined) throw broken()
    renameSync(draft, file)
    return JSON.parse(said)
  } catch (error) {
    rmSync(draft, { force: true })
    const { code } = error as NodeJS.ErrnoException
    throw code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' ? broken() : error
  }
}

const broken = () =>
  new JackError('internal', 'The backup broke off; nothing was kept of it.', {
    hint: 'The log of the cloud says why: logs/jack.log in its folder.',
  })
