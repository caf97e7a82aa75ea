import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { JackError, type JackOptions, type Payment, type PaymentReceipt } from '@jackcloud/sdk'
import type { LocalAccount } from 'viem/accounts'
import { amount } from '../amount.ts'
import { type Print, paint, usd } from '../print.ts'
import type { Settings } from '../settings.ts'
import type { Limits } from '../userConfig.ts'
import { parseKey } from './key.ts'
import { loadWallet } from './loadWallet.ts'

interface Given {
  print: Print
  configFile: string
  interactive: boolean
  settings: Settings
  limits: Limits | undefined
  /** `--wallet` */
  wanted: boolean
  /** `--max-spend` */
  maxSpend: string | undefined
  onLeft?: ((usd: string | undefined) => void) | undefined
}

/**
 * What makes the client pay with the wallet: null when a token stands for us, or when there is no wallet. A token that
 * was given now comes before a key in the environment, and that before the token of a sign-in.
 */
export async function payingOptions(given: Given): Promise<Partial<JackOptions> | null> {
  const { wanted, limits, maxSpend, print, settings } = given
  const { token } = settings
  const keyGiven = Boolean(process.env.JACK_PRIVATE_KEY || process.env.MPPX_PRIVATE_KEY)
  const tokenGiven = token.origin === '--token' || token.origin.startsWith('environment')
  if (!wanted && token.value !== undefined && (tokenGiven || !keyGiven)) return null
  const wallet = (await loadWallet(given)) ?? (wanted ? await developmentWallet(settings) : null)
  if (!wallet) {
    if (!wanted) return null
    throw new JackError('unauthorized', 'There is no wallet.', {
      next: [{ command: 'jack wallet create', when: 'to make one' }],
    })
  }
  const { fileStore } = await import('@jackcloud/sdk/node')
  return {
    account: wallet.account,
    store: fileStore(),
    rpcUrl: process.env.JACK_RPC_URL || process.env.MPPX_RPC_URL || undefined,
    spending: {
      perCallUsd: maxSpend === undefined ? limits?.per_call_usd : amount(maxSpend),
      perDayUsd: limits?.per_day_usd,
      totalUsd: limits?.total_usd,
    },
    onPayment: (payment) => sayBefore(print, payment),
    onReceipt: (receipt) => {
      given.onLeft?.(receipt.leftUsd)
      sayAfter(print, receipt)
    },
  }
}

/** Whoever runs a cloud on this machine has its wallet, which has play money. */
export async function developmentWallet({
  url,
  data,
}: Settings): Promise<{ account: LocalAccount } | null> {
  const { hostname } = new URL(url.value)
  const file = join(data.value, 'wallet.key')
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(hostname) || !existsSync(file)) return null
  const { privateKeyToAccount } = await import('viem/accounts')
  const { privateKey } = await parseKey(readFileSync(file, 'utf8').trim(), file)
  return { account: privateKeyToAccount(privateKey) }
}

function sayBefore(print: Print, { how, depositUsd }: Payment): void {
  if (how !== 'open' && how !== 'topUp') return
  const what = how === 'open' ? 'Opening a session' : 'Topping the session up'
  print.note(
    paint(
      'dim',
      `${what} with ${usd(depositUsd ?? '0')}; what is not spent comes back when it closes.`,
    ),
  )
}

function sayAfter(print: Print, { how, chargedUsd, leftUsd, transaction }: PaymentReceipt): void {
  if (Number(chargedUsd) === 0) return
  const from =
    how === 'session'
      ? `out of the session${leftUsd === undefined ? '' : `, ${usd(leftUsd)} left in it`}`
      : `with the transaction ${transaction ?? ''}`
  print.note(paint('dim', `Paid ${usd(chargedUsd)} ${from}.`))
}
