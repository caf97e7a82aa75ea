import { text } from 'node:stream/consumers'
import { JackError } from '@jackcloud/sdk'
import { askOperator } from '../operator.ts'
import type { Session } from '../session.ts'
import { findServer } from './find.ts'
import { argumentsFor } from './start.ts'

/** One thing that a doctor looked at. */
export interface Check {
  name: string
  status: 'ok' | 'warn' | 'fail'
  detail: string
  /** What to do about it. */
  fix?: string
}

/**
 * What it takes to be paid, as the server sees it: the one that runs on the folder of data, or one that would be started
 * with this environment.
 */
export async function paymentChecks(session: Session): Promise<Check[]> {
  const { settings, signal } = session
  try {
    const response = await askOperator(settings.data.value, '/doctor', signal)
    if (response.statusCode !== 200) throw strange(`It answered ${response.statusCode}.`)
    return checksIn(await text(response))
  } catch (error) {
    if (!(error instanceof JackError) || error.code !== 'network') throw error
    return asStarted(session)
  }
}

async function asStarted(session: Session): Promise<Check[]> {
  const { settings, print, signal } = session
  const main = await findServer(session)
  print.note(`No cloud runs on ${settings.data.value}: looking at what this environment says.`)
  const { execa } = await import('execa')
  const { stdout, stderr } = await execa(
    process.execPath,
    [...argumentsFor(main), 'doctor', '--json'],
    { reject: false, cancelSignal: signal, stdin: 'ignore' },
  )
  return checksIn(stdout, stderr)
}

function checksIn(said: string, more = ''): Check[] {
  try {
    return JSON.parse(said).checks
  } catch {
    throw strange(more || said)
  }
}

const strange = (said: string) =>
  new JackError('internal', 'The server could not look at its payments.', {
    hint: said.trim().split('\n').at(-1),
  })
