import { readFileSync } from 'node:fs'
import { JackError } from '@jackcloud/sdk'
import { askSecret, choose } from '../ask.ts'
import type { Session } from '../session.ts'

/** What a command was told about passphrases. */
export interface PassphraseOptions {
  /** A file that holds it, in its first line. */
  passphraseFile?: string | undefined
}

type Asker = Pick<Session, 'interactive' | 'print'>

/** From the file that was named, else from `JACK_WALLET_PASSPHRASE`. */
export function givenPassphrase({ passphraseFile }: PassphraseOptions): string | undefined {
  if (passphraseFile === undefined) return process.env.JACK_WALLET_PASSPHRASE || undefined
  const [line = ''] = readFileSync(passphraseFile, 'utf8').split(/\r?\n/)
  if (line !== '') return line
  throw new JackError('usage', `There is no passphrase in ${passphraseFile}.`, {
    hint: 'Its first line is the passphrase.',
  })
}

/** For a key that is about to be put into a file. Undefined when it shall be kept as it is. */
export async function newPassphrase(
  asker: Asker,
  options: PassphraseOptions,
): Promise<string | undefined> {
  const given = givenPassphrase(options)
  if (given !== undefined) return given
  if (!asker.interactive) {
    throw new JackError('usage', 'Which passphrase shall encrypt the file of the wallet?', {
      hint: 'Set JACK_WALLET_PASSPHRASE, or name a file that holds it with --passphrase-file.',
      next: [
        {
          command: 'jack wallet create --no-passphrase',
          when: 'to keep the key in a file that only you can read, not encrypted',
        },
      ],
    })
  }
  const how = await choose('How shall the file of the wallet be kept?', [
    { value: 'locked', label: 'Encrypted', hint: 'with a passphrase that is asked for to pay' },
    { value: 'open', label: 'Not encrypted', hint: 'only your user can read it' },
  ])
  return how === 'open' ? undefined : askTwice(asker)
}

async function askTwice({ print }: Asker): Promise<string> {
  for (;;) {
    const first = await askSecret('A passphrase for the wallet')
    if (first === '') print.warn('It cannot be empty.')
    else if (first === (await askSecret('Once more'))) return first
    else print.warn('These are two.')
  }
}
