import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { prices } from '@jackcloud/sdk/wire'
import type { Logger } from 'pino'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import type { Config } from '../Config.ts'
import type { Hex } from '../Session.ts'
import { readSecret, writeSecret } from '../store/keyFile.ts'
import type { PaymentsConfig } from './mppx/config.ts'
import { createPayments } from './mppx/index.ts'
import type { Payments } from './Payments.ts'
import { escrow, type Setup, setupOf } from './setup.ts'

export interface OpenPayments {
  payments: Payments
  /** What `jack doctor --payments` looks at. */
  setup: Setup
  /** A development wallet that has money; null on a chain where money is worth something. */
  wallet: { address: Hex; privateKey: Hex } | null
  /** Host and port of the node of the chain that a cloud on this machine started: it is made for strangers. */
  localRpc: string | null
  close(): Promise<void>
}

/**
 * Opens payments as the configuration says; null when there shall be none. A local chain is started, with its keys and a
 * development wallet in the data directory. Throws an Error that names what is missing for any other chain.
 */
export async function openPayments(
  config: Config,
  log: Logger,
  hooks: Parameters<typeof createPayments>[1],
): Promise<OpenPayments | null> {
  const { chain, payee, secrets, operatorKey, feePayerKey } = config.payments
  if (chain === 'none') return null
  if (chain === 'local') return openLocal(config, log, hooks)

  const setup = setupOf(chain, config.payments)
  if (!payee || !operatorKey || !secrets)
    throw new Error(`To be paid on ${chain}, set ${setup.missing.join(', ')}.`)
  const { chainId, rpcUrl, token } = setup
  const payments = createPayments(
    {
      chainId,
      rpcUrl,
      token,
      payee,
      escrow,
      operator: privateKeyToAccount(operatorKey),
      feePayer: feePayerKey ? privateKeyToAccount(feePayerKey) : null,
      secrets: atLeastOne(secrets),
      suggestedDepositMicroUsd: prices.suggestedDeposit,
    },
    hooks,
  )
  return { payments, setup, wallet: null, localRpc: null, close: async () => {} }
}

/** The keys of a local cloud are made on the first start. Its payee is no colder than the rest: the money is none. */
async function openLocal(
  config: Config,
  log: Logger,
  hooks: Parameters<typeof createPayments>[1],
): Promise<OpenPayments> {
  const { joinLocalnet, startLocalnet } = await import('./localnet/startLocalnet.ts')
  const given = config.payments
  const kept = (name: string, make: () => string) => keptSecret(join(config.dataDir, name), make)
  const operator = privateKeyToAccount(
    given.operatorKey ?? ((await kept('operator.key', generatePrivateKey)) as Hex),
  )
  const payeeKey = (await kept('payee.key', generatePrivateKey)) as Hex
  const privateKey = (await kept('wallet.key', generatePrivateKey)) as Hex
  const wallet = privateKeyToAccount(privateKey)
  const secret = await kept('mpp.secret', () => randomBytes(32).toString('base64url'))

  const chain = given.rpcUrl
    ? await joinLocalnet(given.rpcUrl)
    : await startLocalnet({
        dataDir: join(config.dataDir, 'chain'),
        port: given.chainPort,
        chainId: given.chainId,
        logger: { info: (text) => log.info(text), warn: (text) => log.warn(text) },
      })
  const feePayer = given.feePayerKey ? privateKeyToAccount(given.feePayerKey) : null
  const firstRun = join(config.dataDir, `wallet.funded-${chain.chainId}`)
  if ((await readSecret(firstRun)) === undefined) {
    for (const it of [wallet, operator, ...(feePayer ? [feePayer] : [])])
      await chain.faucet(it.address)
    await writeSecret(firstRun, 'yes')
  }
  const paymentsConfig: PaymentsConfig = {
    chainId: chain.chainId,
    rpcUrl: chain.rpcUrl,
    token: chain.token.toLowerCase() as Hex,
    payee: given.payee ?? (privateKeyToAccount(payeeKey).address.toLowerCase() as Hex),
    escrow,
    operator,
    feePayer,
    secrets: atLeastOne(given.secrets ?? [secret]),
    suggestedDepositMicroUsd: prices.suggestedDeposit,
  }
  return {
    payments: createPayments(paymentsConfig, hooks),
    setup: {
      ...paymentsConfig,
      operator: operator.address,
      feePayer: feePayer?.address ?? null,
      missing: [],
    },
    wallet: { address: wallet.address.toLowerCase() as Hex, privateKey },
    localRpc: config.local && !given.rpcUrl ? new URL(chain.rpcUrl).host : null,
    close: () => chain.stop(),
  }
}

async function keptSecret(path: string, make: () => string): Promise<string> {
  const known = await readSecret(path)
  if (known !== undefined) return known
  const made = make()
  await writeSecret(path, made)
  return made
}

function atLeastOne(secrets: readonly string[]): readonly [string, ...string[]] {
  const [first, ...rest] = secrets
  if (first === undefined) throw new Error('There is no JACK_MPP_SECRET.')
  return [first, ...rest]
}
