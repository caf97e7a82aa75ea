import { fromUsd, limits, UsdInput } from '@jackcloud/sdk/wire'
import { z } from 'zod'
import type { Hex } from './Session.ts'

const number = (fallback: number) => z.coerce.number().nonnegative().default(fallback)
const flag = z
  .enum(['0', '1', 'true', 'false', ''])
  .default('0')
  .transform((it) => it === '1' || it === 'true')

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'an address: 0x and 40 hex digits')
  .transform((it) => it.toLowerCase() as Hex)
// Of a wrong key nothing is told.
const privateKey = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, 'a private key: 0x and 64 hex digits')
  .transform((it) => it as Hex)

const challengeSecrets = z
  .string()
  .transform((it) => it.split(/[,\s]+/).filter((secret) => secret !== ''))
  .refine(
    (it) => it.length > 0 && it.every((secret) => secret.length >= 32),
    'each has 32 characters or more: openssl rand -base64 32',
  )

/**
 * Everything an operator can set, read from environment variables once by `main.ts`.
 * `docs/self-hosting.md` lists them; a test holds the two together.
 */
const Environment = z
  .object({
    /** `local` makes a development account with credit and prints its token. */
    JACK_MODE: z.enum(['local', 'server']).default('server'),
    JACK_HOST: z.string().default('127.0.0.1'),
    /** 0 picks a free port. */
    JACK_PORT: z.coerce.number().int().min(0).max(65_535).default(8787),
    /** Host under which live URLs are made; without port. */
    JACK_DOMAIN: z
      .string()
      .regex(/^[a-z0-9.-]+$/)
      .default('localhost'),
    /** How the outside reaches this server when a proxy stands before it: "https://jack.example". */
    JACK_PUBLIC_URL: z.url().optional(),
    JACK_DATA: z.string().min(1),
    DATABASE_URL: z.string().optional(),
    /** 32 bytes in base64 that encrypt environment values at rest. Made and kept in the data directory when missing. */
    JACK_ENCRYPTION_KEY: z.string().optional(),
    /** Ed25519 private key in PEM that signs receipts, or a file with it. Made and kept in the data directory when missing. */
    JACK_RECEIPT_KEY: z.string().optional(),
    /** Listen beyond loopback although the sandbox is below `full`. */
    JACK_UNSAFE_ALLOW_WEAK_SANDBOX: flag,
    JACK_SANDBOX: z.enum(['full', 'namespaces', 'none']).optional(),
    JACK_POOL_SIZE: number(4),
    JACK_POOL_REUSE: z.enum(['account', 'never']).default('account'),
    /** Executions of one account after which its process is replaced. */
    JACK_POOL_MAX_USES: number(500),
    JACK_QUEUE: number(256),
    JACK_QUEUE_PER_ACCOUNT: number(128),
    JACK_IDLE_MS: number(60_000),
    /** Most apps that are awake at once; 0 for as many as half of the memory holds. */
    JACK_MAX_LIVE: number(0),
    /** How often what apps print and use is stored. */
    JACK_FLUSH_MS: z.coerce.number().int().min(10).max(5_000).default(500),
    JACK_CPU_MS: number(limits.execution.cpuMs),
    JACK_WALL_MS: number(limits.execution.wallMs),
    JACK_MEMORY_MB: number(limits.execution.memoryMb),
    JACK_REQUESTS_PER_MINUTE: number(6_000),
    JACK_METRICS_PORT: z.coerce.number().int().min(1).max(65_535).optional(),
    /** How many proxies before this server write `x-forwarded-for`. */
    JACK_TRUSTED_PROXIES: number(0),
    JACK_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
    /** What a development account is granted at first, in USD. */
    JACK_LOCAL_CREDIT_USD: z.string().default('100'),
    /** Days without a request, a deploy or money after which a project without a time to live expires; 0 is never. */
    JACK_INACTIVE_DAYS: number(7),
    /** Days without use after which a payment session is closed; 0 is never. */
    JACK_SESSION_IDLE_DAYS: number(30),
    /** A session is settled on chain when more than so much, in USD, is spent of it and not settled. */
    JACK_SETTLE_ABOVE_USD: UsdInput.default('10'),
    /** How long lines of apps are kept, and how many, and how much text, of one project. */
    JACK_APP_LOG_DAYS: number(7),
    JACK_APP_LOG_LINES: number(10_000),
    JACK_APP_LOG_MB: number(20),
    /** Whose OpenID Connect tokens may be exchanged for ours, by comma: their URLs. */
    JACK_OIDC_ISSUERS: z
      .string()
      .default('https://token.actions.githubusercontent.com,https://gitlab.com')
      .transform((it) => it.split(/[,\s]+/).filter((url) => url !== '')),
    /** The chain that is paid on. `local` is one on this machine, with money that is worth nothing. */
    JACK_CHAIN: z.enum(['none', 'local', 'moderato', 'mainnet']).optional(),
    /** Where the chain answers. A local chain is started when there is none; of others, the public one is the default. */
    JACK_RPC_URL: z.url().optional(),
    /** Port of the local chain; 0 picks a free one. */
    JACK_CHAIN_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
    /** Id of the local chain; that of the public testnet lets its tools try this one. */
    JACK_CHAIN_ID: z.coerce.number().int().positive().default(1_337),
    /** Who gets the money: a cold address, of which this server has no key. */
    JACK_PAYEE: address.optional(),
    /** Token that is paid with: a TIP-20 stablecoin with six decimals. Default: the one that is usual on the chain. */
    JACK_PAY_TOKEN: address.optional(),
    /** Private key that closes channels. It needs gas money only. */
    JACK_OPERATOR_KEY: privateKey.optional(),
    /** Private key that pays the gas of payers. Without one, they do. */
    JACK_FEE_PAYER_KEY: privateKey.optional(),
    /** Signs challenges: 32 characters or more. Several by comma or line: the first signs, all of them count. */
    JACK_MPP_SECRET: challengeSecrets.optional(),
    /** An OAuth app of GitHub, by which people sign in; `docs/sign-in.md` says how to make one. */
    JACK_GITHUB_CLIENT_ID: z.string().min(1).optional(),
    JACK_GITHUB_CLIENT_SECRET: z.string().min(1).optional(),
    /** Of a GitHub Enterprise server: https://github.example, and https://github.example/api/v3. */
    JACK_GITHUB_URL: z.url().default('https://github.com'),
    JACK_GITHUB_API_URL: z.url().default('https://api.github.com'),
    /** Versions of a project that are kept, besides those that were live in the last 30 days. */
    JACK_VERSIONS_KEPT: number(20),
  })
  .refine(
    (it) =>
      (it.JACK_GITHUB_CLIENT_ID === undefined) === (it.JACK_GITHUB_CLIENT_SECRET === undefined),
    { path: ['JACK_GITHUB_CLIENT_ID'], error: 'it goes with JACK_GITHUB_CLIENT_SECRET: set both' },
  )

export type Config = ReturnType<typeof readConfig>

/**
 * The configuration out of an environment. A variable can be in a file instead, named by the variable with `_FILE`
 * behind it. Throws `ConfigError`.
 *
 * @param env such as `process.env`; only names above are read
 * @param readFile reads a text file, or throws
 */
export function readConfig(
  env: Record<string, string | undefined>,
  readFile: (path: string) => string = noFiles,
) {
  const parsed = Environment.safeParse(withFiles(env, readFile))
  if (!parsed.success)
    throw new ConfigError(parsed.error.issues.map((it) => `${it.path.join('.')}: ${it.message}`))
  const it = parsed.data
  return {
    local: it.JACK_MODE === 'local',
    host: it.JACK_HOST,
    port: it.JACK_PORT,
    domain: it.JACK_DOMAIN,
    publicUrl: it.JACK_PUBLIC_URL,
    dataDir: it.JACK_DATA,
    databaseUrl: it.DATABASE_URL,
    encryptionKey: it.JACK_ENCRYPTION_KEY,
    receiptKey: it.JACK_RECEIPT_KEY,
    allowWeakSandbox: it.JACK_UNSAFE_ALLOW_WEAK_SANDBOX,
    sandbox: it.JACK_SANDBOX,
    pool: {
      size: it.JACK_POOL_SIZE,
      reuse: it.JACK_POOL_REUSE,
      maxUses: it.JACK_POOL_MAX_USES,
      queue: it.JACK_QUEUE,
      queuePerAccount: it.JACK_QUEUE_PER_ACCOUNT,
    },
    idleMs: it.JACK_IDLE_MS,
    maxLive: it.JACK_MAX_LIVE,
    flushMs: it.JACK_FLUSH_MS,
    execution: {
      ...limits.execution,
      cpuMs: it.JACK_CPU_MS,
      wallMs: it.JACK_WALL_MS,
      memoryMb: it.JACK_MEMORY_MB,
    },
    requestsPerMinute: it.JACK_REQUESTS_PER_MINUTE,
    metricsPort: it.JACK_METRICS_PORT,
    trustedProxies: it.JACK_TRUSTED_PROXIES,
    logLevel: it.JACK_LOG_LEVEL,
    localCreditUsd: it.JACK_LOCAL_CREDIT_USD,
    sessionIdleDays: it.JACK_SESSION_IDLE_DAYS,
    settleAboveMicroUsd: fromUsd(it.JACK_SETTLE_ABOVE_USD),
    appLog: {
      ageMs: it.JACK_APP_LOG_DAYS * 86_400_000,
      lines: it.JACK_APP_LOG_LINES,
      bytes: it.JACK_APP_LOG_MB * 1_048_576,
    },
    inactiveDays: it.JACK_INACTIVE_DAYS,
    versionsKept: it.JACK_VERSIONS_KEPT,
    oidcIssuers: it.JACK_OIDC_ISSUERS,
    github:
      it.JACK_GITHUB_CLIENT_ID !== undefined && it.JACK_GITHUB_CLIENT_SECRET !== undefined
        ? {
            clientId: it.JACK_GITHUB_CLIENT_ID,
            clientSecret: it.JACK_GITHUB_CLIENT_SECRET,
            url: it.JACK_GITHUB_URL.replace(/\/+$/, ''),
            apiUrl: it.JACK_GITHUB_API_URL.replace(/\/+$/, ''),
          }
        : null,
    payments: {
      chain: it.JACK_CHAIN ?? (it.JACK_MODE === 'local' ? ('local' as const) : ('none' as const)),
      rpcUrl: it.JACK_RPC_URL,
      chainPort: it.JACK_CHAIN_PORT,
      chainId: it.JACK_CHAIN_ID,
      payee: it.JACK_PAYEE,
      token: it.JACK_PAY_TOKEN,
      operatorKey: it.JACK_OPERATOR_KEY,
      feePayerKey: it.JACK_FEE_PAYER_KEY,
      secrets: it.JACK_MPP_SECRET,
    },
  }
}

/** The names that `readConfig` knows. */
export const configNames = Object.keys(Environment.shape)

/** Those of them that no other process has to know. */
export const secretNames = configNames.filter((it) => /_(KEY|SECRET)$|^DATABASE_URL$/.test(it))

/** What is wrong with a configuration: a sentence a variable, which never tells a value. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(['The configuration is not valid.', ...problems].join('\n'))
    this.problems = problems
  }
}

function withFiles(
  env: Record<string, string | undefined>,
  readFile: (path: string) => string,
): Record<string, string | undefined> {
  const known = Object.fromEntries(configNames.map((name) => [name, env[name]]))
  const problems: string[] = []
  for (const name of configNames) {
    const path = env[`${name}_FILE`]
    if (!path) continue
    if (known[name] !== undefined) problems.push(`${name}: it is given twice, and as ${name}_FILE`)
    try {
      known[name] = readFile(path).trim()
    } catch (error) {
      const { code = 'it can not be read' } = error as { code?: string }
      problems.push(`${name}_FILE: ${path}: ${code}`)
    }
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return known
}

const noFiles = (): never => {
  throw new Error('There are no files here.')
}

/** Whether only this machine can reach a listener on `host`. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
