import { readFile } from 'node:fs/promises'
import { JackError } from '@jackcloud/sdk'
import { toUsd } from '@jackcloud/sdk/wire'
import type { Command } from 'commander'
import { amount } from '../amount.ts'
import { askSecret, confirm, readStdin } from '../ask.ts'
import { listing, usd } from '../print.ts'
import { openSession, type Session } from '../session.ts'
import { changeUserConfig, readUserConfig } from '../userConfig.ts'
import {
  findWallet,
  isExposed,
  originOf,
  unlockAsking,
  type WalletSource,
} from '../wallet/findWallet.ts'
import { type KeepOptions, keep } from '../wallet/keep.ts'
import { type Key, looksLikeKey, newKey, parseKey } from '../wallet/key.ts'
import { keychain } from '../wallet/keychain.ts'
import { isKeystore } from '../wallet/keystore.ts'
import { askFaucet, balanceOnChain, payChain } from '../wallet/onChain.ts'
import { readWallet, refuseSecondWallet, removeWallet, walletFile } from '../wallet/walletFile.ts'

export default function wallet(command: Command): void {
  const create = keeping(command.command('create').description('make a wallet'))
  create.action(async (options: KeepOptions) => {
    const session = await openSession(create, { unpaid: true })
    refuseSecondWallet(walletFile(session.configFile))
    await keepAndSay(session, await newKey(), options)
    session.print.note('There is no other copy of its key: jack wallet export prints it.')
  })

  const show = command.command('show').description('show the address and where its key is')
  show.action(async () => {
    const session = await openSession(show, { unpaid: true })
    const { address, source } = await foundWallet(session)
    const known = await balanceIfKnown(session, address)
    say(session, address, source, known)
  })

  const fund = command
    .command('fund')
    .description('how money gets into the wallet; play money on a test chain')
  fund.action(async () => {
    const session = await openSession(fund, { unpaid: true })
    const { print, jack, signal } = session
    const { address } = await foundWallet(session)
    const chain = await payChain(jack, signal)
    if (chain.faucet) await print.while(`Asking ${chain.name}`, askFaucet(chain, address))
    const balance_usd = toUsd(await balanceOnChain(chain, address))
    print.answer({ address, chain_id: chain.id, token: chain.token, balance_usd }, () => {
      print.out(`${address} has ${usd(balance_usd)} on ${chain.name}.`)
      if (!chain.faucet) print.note(`Send the stablecoin ${chain.token} to it, on ${chain.name}.`)
    })
  })

  const limit = command
    .command('limit')
    .description('the most that the wallet spends without asking; kept on this machine')
    .option('--per-call <usd>', 'on one command or call; none for no limit')
    .option('--per-day <usd>', 'on one day in UTC')
    .option('--total <usd>', 'ever')
  limit.action(async ({ perCall, perDay, total }) => {
    const { print, configFile } = await openSession(limit, { unpaid: true })
    const given = { per_call_usd: perCall, per_day_usd: perDay, total_usd: total }
    changeUserConfig(configFile, (config) => {
      const limits: Record<string, string> = { ...config.limits }
      for (const [name, value] of Object.entries(given)) {
        if (value === 'none') delete limits[name]
        else if (value !== undefined) limits[name] = amount(value)
      }
      config.limits = limits
    })
    const limits = readUserConfig(configFile).limits ?? {}
    print.answer(limits, () =>
      print.out(
        listing([
          ['per call', limits.per_call_usd === undefined ? 'no limit' : usd(limits.per_call_usd)],
          ['per day', limits.per_day_usd === undefined ? 'no limit' : usd(limits.per_day_usd)],
          ['total', limits.total_usd === undefined ? 'no limit' : usd(limits.total_usd)],
        ]),
      ),
    )
  })

  const load = keeping(command.command('import'))
    .description('keep a key that you have: from a file, from stdin, or typed')
    .argument('[file|-]', 'the private key, or a keystore of another wallet')
  load.action(async (file: string | undefined, options: KeepOptions) => {
    const session = await openSession(load, { unpaid: true })
    refuseSecondWallet(walletFile(session.configFile))
    await keepAndSay(session, await readKey(session, file, options), options)
  })

  const save = command
    .command('export')
    .description('print the private key: whoever sees it has the money')
    .option(...passphraseFile)
  save.action(async (options) => {
    const session = await openSession(save, { unpaid: true })
    const { print } = session
    const { address, privateKey } = await foundWallet(session, options)
    await agree(session, `Print the private key of ${address}?`, 'jack wallet export --yes')
    const key = await privateKey()
    print.answer({ address, private_key: key }, () => print.out(key))
  })

  const rm = command.command('rm').description('forget the wallet and delete its key')
  rm.action(async () => {
    const session = await openSession(rm, { unpaid: true })
    await remove(session)
  })
}

const passphraseFile = [
  '--passphrase-file <file>',
  'encrypt with what the file holds (or JACK_WALLET_PASSPHRASE)',
] as const

const keeping = (command: Command): Command =>
  command
    .option('--file', 'keep the key in a file, not in the keychain')
    .option(...passphraseFile)
    .option('--no-passphrase', 'in a file that only you can read, not encrypted')

async function foundWallet(session: Session, options = {}) {
  const found = await findWallet(session, options)
  if (found) return found
  throw noWallet()
}

const noWallet = () =>
  new JackError('not_found', 'There is no wallet.', {
    hint: 'Make one, or set JACK_PRIVATE_KEY.',
    next: [
      { command: 'jack wallet create', when: 'to make one' },
      { command: 'jack wallet import', when: 'to keep a key that you have' },
    ],
  })

async function keepAndSay(session: Session, key: Key, options: KeepOptions): Promise<void> {
  say(session, key.address, await keep(session, key, options))
  const used = await findWallet(session)
  if (used && used.address !== key.address)
    session.print.warn(`${originOf(used.source)} has another wallet, and that one is used.`)
}

/** What it has where the cloud is paid; nothing when nobody answers. */
async function balanceIfKnown(
  { jack, signal }: Session,
  address: string,
): Promise<{ balance_usd: string; chain_id: number } | undefined> {
  try {
    const chain = await payChain(jack, signal)
    return { balance_usd: toUsd(await balanceOnChain(chain, address)), chain_id: chain.id }
  } catch (error) {
    if (error instanceof JackError) return undefined
    throw error
  }
}

function say(
  { print }: Session,
  address: string,
  source: WalletSource,
  known?: { balance_usd: string; chain_id: number },
): void {
  print.answer({ address, origin: originOf(source), source, ...known }, () =>
    print.out(
      listing([
        ['address', address],
        ['key', originOf(source)],
        ...(known
          ? [['has', `${usd(known.balance_usd)} on chain ${known.chain_id}`] as [string, string]]
          : []),
      ]),
    ),
  )
  if (source.kind === 'file' && isExposed(source.file))
    print.warn(`Others can read ${source.file}: chmod 600 ${source.file}`)
}

async function readKey(
  session: Session,
  file: string | undefined,
  options: KeepOptions,
): Promise<Key> {
  const [text, whose] = await given(session, file)
  const json = parse(text)
  if (json === undefined) return parseKey(text, whose)
  if (!isKeystore(json)) throw new JackError('usage', `${whose} is not a keystore of version 3.`)
  return parseKey(await unlockAsking(json, session, options), `The key in ${whose}`)
}

async function given(
  { interactive }: Session,
  file: string | undefined,
): Promise<[text: string, whose: string]> {
  if (file === undefined && interactive)
    return [await askSecret('The private key'), 'What was typed']
  if (file === undefined || file === '-') return [await readStdin(), 'What was piped in']
  if (!looksLikeKey(file)) return [await readFile(file, 'utf8'), file]
  throw new JackError('usage', 'A private key does not belong on a command line.', {
    hint: 'Others can read it there, and your shell remembers it. Pipe it in, or name a file that holds it.',
    next: [{ command: 'jack wallet import', when: 'to type it, unseen' }],
  })
}

function parse(text: string): unknown {
  if (!text.trimStart().startsWith('{')) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

async function remove(session: Session): Promise<void> {
  const { print, configFile } = session
  const file = walletFile(configFile)
  const kept = isDamaged(file) ? null : readWallet(file)
  if (kept === undefined) throw noWallet()
  const address = kept?.address ?? null
  print.note(`What ${address ?? 'the wallet'} has is lost, unless its key is kept elsewhere too.`)
  await agree(session, 'Delete the key for good?', 'jack wallet rm --yes')
  if (kept && 'keychain' in kept && !(await keychain()?.remove('jack', kept.address)))
    print.warn('The keychain has no such key, or it is locked and keeps it.')
  removeWallet(file)
  print.answer({ address, removed: true }, () => print.note('The wallet is forgotten.'))
}

function isDamaged(file: string): boolean {
  try {
    readWallet(file)
    return false
  } catch (error) {
    if (error instanceof JackError) return true
    throw error
  }
}

async function agree(session: Session, question: string, next: string): Promise<void> {
  if (await confirm(session, question)) return
  throw session.interactive
    ? new DOMException('Interrupted.', 'AbortError')
    : new JackError('usage', 'This has to be confirmed.', {
        hint: 'Nobody is there to ask: pass --yes.',
        next: [{ command: next, when: 'to agree' }],
      })
}
