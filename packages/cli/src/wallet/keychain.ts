import { JackError } from '@jackcloud/sdk'
import { withoutKeys } from './key.ts'

/** Where the operating system keeps secrets of the person that is signed in. */
export interface Keychain {
  /** Undefined when there is no such secret; a keychain that stays locked may say the same. Throws `unavailable`. */
  get(service: Service, account: string): Promise<string | undefined>
  /** Returns when it is kept, else throws `unavailable`. The secret holds neither spaces nor quotes. */
  set(service: Service, account: string, secret: string): Promise<void>
  /** False when there is none that can be removed. Throws `unavailable`. */
  remove(service: Service, account: string): Promise<boolean>
}

export type Service = 'jack' | 'mppx'

/** Secrets go through stdin and stdout: the arguments of a process can be read by everybody on the machine. */
export const keychain = (platform = process.platform): Keychain | undefined =>
  platform === 'darwin' ? macOs : platform === 'linux' ? secretService : undefined

const secretService: Keychain = {
  async get(service, account) {
    const asked = await run('secret-tool', ['lookup', 'service', service, 'account', account])
    if (asked.ok) return asked.stdout.trim() || undefined
    if (asked.said === '') return undefined
    throw unavailable(asked.said)
  },
  async set(service, account, secret) {
    const words = ['store', '--label', label(service, account)]
    const { ok, said } = await run(
      'secret-tool',
      [...words, 'service', service, 'account', account],
      secret,
    )
    if (!ok || (await this.get(service, account)) !== secret) throw unavailable(said)
  },
  async remove(service, account) {
    const { ok, said } = await run('secret-tool', ['clear', 'service', service, 'account', account])
    if (!ok && said !== '') throw unavailable(said)
    return ok
  },
}

const macOs: Keychain = {
  async get(service, account) {
    const words = ['find-generic-password', '-s', service, '-a', account, '-w']
    const asked = await run('security', words)
    if (asked.ok) return asked.stdout.trim() || undefined
    if (asked.exitCode === NOT_FOUND) return undefined
    throw unavailable(asked.said)
  },
  async set(service, account, secret) {
    const words = `add-generic-password -U -s ${service} -a ${account} -l "${label(service, account)}" -w ${secret}\n`
    const { said } = await run('security', ['-i'], words)
    // It ends well whatever became of its commands.
    if ((await this.get(service, account)) !== secret) throw unavailable(said)
  },
  async remove(service, account) {
    const words = ['delete-generic-password', '-s', service, '-a', account]
    const { ok, exitCode, said } = await run('security', words)
    if (!ok && exitCode !== NOT_FOUND) throw unavailable(said)
    return ok
  },
}

/** What `security` ends with when there is no such item. */
const NOT_FOUND = 44

const label = (service: Service, account: string) => `${service} wallet ${account}`

async function run(command: string, words: string[], input = '') {
  const { execa } = await import('execa')
  const { exitCode, stdout, stderr, timedOut, code } = await execa(command, words, {
    input,
    env: withoutKeys(process.env),
    extendEnv: false,
    reject: false,
    // Somebody may have to type a password first, to open it.
    timeout: 60_000,
  })
  const why = timedOut ? 'it did not answer' : code === 'ENOENT' ? `there is no ${command}` : stderr
  return { ok: exitCode === 0, exitCode, stdout, said: why.trim() }
}

const unavailable = (why: string) =>
  new JackError('unavailable', `The keychain cannot be used: ${why || 'it said no'}.`, {
    hint: 'Unlock it, or keep the key in a file (jack wallet create --file).',
  })
