import { createJack, JackError } from '@jackcloud/sdk'
import { scopes } from '@jackcloud/sdk/wire'
import type { Command } from 'commander'
import { readStdin } from '../ask.ts'
import { discover } from '../login/AuthorizationServer.ts'
import { byBrowser } from '../login/byBrowser.ts'
import { byDevice, type DeviceCode } from '../login/byDevice.ts'
import { distance, paint } from '../print.ts'
import { openSession, type Session } from '../session.ts'
import { isCi } from '../settings.ts'
import { changeUserConfig } from '../userConfig.ts'

export default (command: Command) =>
  command
    .option('--device', 'show a code to type in a browser on any machine')
    .addHelpText(
      'after',
      `
Opens a browser, or shows a code where there is none. The token is good for 90 days.

  jack login --url https://jack.example.com
  jack login --device          over SSH, in a container
  jack login --wallet          as the wallet, by a signature
  jack login --token -         reads a token from stdin`,
    )
    .action(async ({ device }: { device?: boolean }) => {
      const byWallet = command.optsWithGlobals().wallet === true
      const session = await openSession(command, { unpaid: !byWallet })
      const { print, signal, configFile } = session
      const url = session.settings.url.value
      const given = command.optsWithGlobals().token as string | undefined
      if (given !== undefined || process.env.JACK_TOKEN) session.refuseStrangeUrl('token')
      const token =
        given === '-'
          ? (await readStdin()).trim()
          : byWallet
            ? await askWallet(session)
            : (given ??
              (process.env.JACK_TOKEN || (await signIn(session, device ?? !hasBrowser()))))
      const me = await print.while('Signing in', whoIs(url, token, signal))
      changeUserConfig(configFile, (config) => {
        config.url = url
        config.tokens[url] = token
      })
      const scopes = me?.token?.scopes ?? null
      const expires_at = me?.token?.expires_at ?? null
      print.answer(
        { event: 'signed_in', url, account: me?.slug ?? null, scopes, expires_at },
        () => {
          print.note(`Signed in to ${url}${me ? ` as ${paint('bold', me.slug)}` : ''}.`)
          const until = expires_at ? `, and ends ${distance(expires_at)}` : ''
          print.note(paint('dim', `The token is kept in ${configFile}${until}.`))
        },
      )
    })

/** Who a token is. Null of one that is good and may not even ask that. */
const whoIs = (url: string, token: string, signal: AbortSignal) =>
  createJack({ url, token, retries: 2 })
    .me({ signal })
    .catch((error) => {
      if (error instanceof JackError && error.code === 'forbidden') return null
      throw error
    })

/** Asks for a token in a browser, of this machine or another one. */
async function signIn(session: Session, elsewhere: boolean): Promise<string> {
  const { print, signal } = session
  if (isCi(process.env))
    throw new JackError('usage', 'Which token?', {
      hint: 'Nobody is here to sign in with a browser: set JACK_TOKEN, or pipe one in with jack login --token -',
    })
  const { url } = session.settings
  const server = await print.while('Asking', discover(url.value, signal))
  return elsewhere
    ? byDevice(server, (code) => showCode(session, code), signal)
    : byBrowser(server, (address) => openBrowser(session, address), signal)
}

/** A token of the wallet's own account, which the wallet makes by proving itself. It pays out of the balance there. */
async function askWallet({ jack, print, signal }: Session): Promise<string> {
  const request = { name: 'jack login', scopes: [...scopes], expires_in_hours: 90 * 24 }
  const { token } = await print.while('Asking', jack.tokens.create(request, { signal }))
  return token
}

function showCode({ print }: Session, code: DeviceCode): void {
  if (print.json) print.item({ event: 'code', ...code }, () => '')
  print.note(`Open ${paint('bold', code.verification_uri)} in any browser, and enter`)
  print.note()
  print.note(`  ${paint('bold', code.user_code)}`)
  print.note()
  print.note(paint('dim', 'Waiting. Ctrl-C gives up.'))
}

function openBrowser({ print }: Session, url: string): void {
  if (print.json) print.item({ event: 'open', url }, () => '')
  print.note('Allow it in the browser that opens. If none does, go to')
  print.note(`  ${url}`)
  print.note(paint('dim', 'Waiting. Ctrl-C gives up; jack login --device shows a code instead.'))
  const failed = () => print.note('No browser could be started: open the address yourself.')
  import('open')
    .then(({ default: open }) => open(url))
    .then((browser) => browser.on('error', failed), failed)
}

/** Whether a browser that opens here is seen by whoever typed the command. */
function hasBrowser({ env, platform, stderr }: NodeJS.Process = process): boolean {
  const isRemote = Boolean(env.SSH_CONNECTION || env.SSH_TTY || env.SSH_CLIENT)
  const hasScreen =
    platform !== 'linux' || Boolean(env.DISPLAY || env.WAYLAND_DISPLAY || env.BROWSER)
  return stderr.isTTY && !isRemote && hasScreen
}
