import { z } from 'zod'
import * as Account from './Account.ts'
import { AuditPage } from './Audit.ts'
import * as Claim from './Claim.ts'
import * as Cron from './Cron.ts'
import * as Database from './Database.ts'
import { DeployRequest, DeployResponse, Manifest } from './Deploy.ts'
import { ExecuteRequest, ExecuteResponse } from './Execute.ts'
import { LogPage, LogQuery } from './Log.ts'
import { PageQuery } from './Page.ts'
import { PaymentTerms } from './PaymentTerms.ts'
import * as Project from './Project.ts'
import * as Receipt from './Receipt.ts'
import { Session, SessionPage } from './Session.ts'
import * as Staged from './Staged.ts'
import * as Trust from './Trust.ts'
import { AccountUsage, Usage, UsageQuery } from './Usage.ts'

/** `destroys`: something cannot be had again. */
export type Effect = 'reads' | 'changes' | 'destroys'

/** An operation of Jack, defined once: the API validates by it, the SDK is typed by it, docs and tools are made of it. */
export interface Operation {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** With `:name` for each path parameter. */
  path: string
  summary: string
  /** When it is the right one, for who chooses among operations. */
  when?: string
  /** When it is not, and what is then. */
  not?: string
  /** What it does to what is there. Default: a GET reads, a DELETE destroys, anything else changes. */
  effect?: Effect
  /** The same again does no more. Default: unless it is a POST (RFC 9110, section 9.2.2). */
  idempotent?: boolean
  /** It reaches beyond Jack: what it makes can be called by anybody, or calls anybody. */
  openWorld?: boolean
  /** The method of the client, such as "projects.list". */
  client: string
  /** The command, without "jack"; null when there is none. */
  command: string | null
  /** What a token needs; null for everybody. */
  scope: Account.Scope | null
  /** Which list price a success costs; `amount` is what the body's `amount_usd` says. */
  price?: 'execution' | 'deploy' | 'amount'
  query?: z.ZodObject
  body?: z.ZodType
  /** A body as it is sent; of what costs something, one that works. Tools that try an API out send it. */
  example?: object
  /** Sent as `multipart/form-data`: `body` is the field `manifest`, files follow. */
  multipart?: boolean
  response: z.ZodType
  /** Media type of the answer when it is not JSON. */
  media?: 'application/gzip'
  /** Status of success when it is not 200. */
  success?: 201
}

const effects: Partial<Record<Operation['method'], Effect>> = { GET: 'reads', DELETE: 'destroys' }

export const effectOf = (it: Operation): Effect => it.effect ?? effects[it.method] ?? 'changes'

export const isIdempotent = (it: Operation): boolean => it.idempotent ?? it.method !== 'POST'

const operation = <const T extends Operation>(it: T): T => it

const project = '/v1/projects/:project'

export const operations = {
  execute: operation({
    method: 'POST',
    path: '/execute',
    summary: 'Run a program once in a fresh isolate and answer its result',
    when: 'To compute, transform or try something out. JavaScript or TypeScript that exports `run(input)`; npm imports work; no network, no files.',
    not: 'For anything that should stay reachable: deploy it.',
    client: 'execute',
    command: 'run',
    scope: 'execute',
    price: 'execution',
    body: ExecuteRequest,
    example: { code: 'export const run = ({ a, b }) => a + b', input: { a: 20, b: 22 } },
    response: ExecuteResponse,
  }),
  deploy: operation({
    method: 'POST',
    path: '/deploy',
    summary: 'Bundle source files and put them on a live URL',
    when: 'To put an app (a module with a `fetch` handler, as for Workers) or a static site online, and to update one: the same name again is its next version.',
    not: 'To run something once: execute it.',
    idempotent: true,
    openWorld: true,
    client: 'deploy',
    command: 'deploy --staged',
    scope: 'deploy',
    price: 'deploy',
    body: DeployRequest,
    example: { files: { 'index.js': `export default { fetch: () => new Response('hello') }` } },
    response: DeployResponse,
    success: 201,
  }),
  quote: operation({
    method: 'POST',
    path: '/v1/quote',
    summary: 'What an execution or a deploy would cost; nothing is kept',
    when: 'To know the price, and whether it bundles, before paying.',
    not: 'To learn what was spent or is left: ask for the balance.',
    effect: 'reads',
    idempotent: true,
    client: 'quote',
    command: 'deploy --dry-run',
    scope: null,
    body: z.union([ExecuteRequest, DeployRequest, Account.QuoteManifest]),
    example: { code: 'export const run = ({ a, b }) => a + b' },
    response: Account.Quote,
  }),
  listProjects: operation({
    method: 'GET',
    path: '/v1/projects',
    summary: 'List projects, newest first',
    when: 'To see what is deployed, under which names and URLs.',
    not: 'For everything about one project: read it.',
    client: 'projects.list',
    command: 'ls',
    scope: 'read',
    query: PageQuery,
    response: Project.ProjectPage,
  }),
  createProject: operation({
    method: 'POST',
    path: '/v1/projects',
    summary: 'Create an empty project',
    client: 'projects.create',
    command: null,
    scope: 'deploy',
    body: Project.CreateProject,
    example: { name: 'my-api', daily_budget_usd: '0.50' },
    response: Project.Project,
    success: 201,
  }),
  getProject: operation({
    method: 'GET',
    path: project,
    summary: 'Read a project',
    when: 'To learn the URL, state, expiry, bindings or id of a project, or why it is suspended.',
    not: 'For what it prints: read its logs.',
    client: 'projects.get',
    command: 'info',
    scope: 'read',
    response: Project.ProjectDetails,
  }),
  updateProject: operation({
    method: 'PATCH',
    path: project,
    summary: "Change a project's budgets or time to live",
    client: 'projects.update',
    command: 'budget',
    scope: 'deploy',
    body: Project.UpdateProject,
    example: { daily_budget_usd: '1', ttl_hours: null },
    response: Project.Project,
  }),
  renewProject: operation({
    method: 'POST',
    path: `${project}/renew`,
    summary: 'Give a project its whole time again, also one that expired and is still kept',
    client: 'projects.renew',
    command: 'renew',
    scope: 'deploy',
    body: Project.RenewRequest,
    example: { ttl_hours: 168 },
    response: Project.Project,
  }),
  resumeProject: operation({
    method: 'POST',
    path: `${project}/resume`,
    summary: 'Let a suspended project answer again, when what suspended it is over',
    idempotent: true,
    client: 'projects.resume',
    command: 'resume',
    scope: 'deploy',
    response: Project.Project,
  }),
  exportProject: operation({
    method: 'GET',
    path: `${project}/export`,
    summary:
      'A project as a tar.gz: its folder as it can be deployed again, its data, and what is known of it',
    client: 'projects.export',
    command: 'export',
    scope: 'deploy',
    media: 'application/gzip',
    response: z.unknown(),
  }),
  deleteProject: operation({
    method: 'DELETE',
    path: project,
    summary: 'Delete a project and everything in it',
    when: 'Only when its owner asked for exactly this. Code, URL, environment, logs and data are gone for good.',
    not: 'To undo a deploy: roll back. To stop it from costing: it costs nothing while nobody calls it.',
    client: 'projects.delete',
    command: 'rm',
    scope: 'deploy',
    response: Project.Deleted,
  }),
  upload: operation({
    method: 'POST',
    path: `${project}/deployments/upload`,
    summary:
      'Deploy modules and static files that the client bundled; creates the project when it is new',
    idempotent: true,
    openWorld: true,
    client: 'projects.upload',
    command: 'deploy',
    scope: 'deploy',
    price: 'deploy',
    body: Manifest,
    multipart: true,
    example: {
      main: 'index.js',
      modules: [
        {
          name: 'index.js',
          type: 'esm',
          sha256: '3b0a4a1ad4c5cd2c1d0e2e09e2a2f4ba3bd5bd1ef9dd4d2c8ce3b3ffb9f7b4a5',
          size_bytes: 61,
        },
      ],
    },
    response: DeployResponse,
    success: 201,
  }),
  listDeployments: operation({
    method: 'GET',
    path: `${project}/deployments`,
    summary: 'List the versions of a project, newest first',
    client: 'projects.deployments',
    command: 'deployments',
    scope: 'read',
    query: PageQuery,
    response: Project.DeploymentPage,
  }),
  promote: operation({
    method: 'POST',
    path: `${project}/deployments/:deployment/promote`,
    summary: 'Make a version live',
    idempotent: true,
    client: 'projects.promote',
    command: 'promote',
    scope: 'deploy',
    response: Project.LiveDeployment,
  }),
  rollback: operation({
    method: 'POST',
    path: `${project}/rollback`,
    summary: 'Go back to the version that was live before, or to a given one',
    when: 'When the version that is live is broken, and an earlier one was not.',
    not: 'To undo a change of environment variables or data: those stay as they are.',
    client: 'projects.rollback',
    command: 'rollback',
    scope: 'deploy',
    body: Project.RollbackRequest,
    example: { deployment_id: 'dep_01m7z9r0c3k5w8p2q4t6' },
    response: Project.LiveDeployment,
  }),
  getLogs: operation({
    method: 'GET',
    path: `${project}/logs`,
    summary: 'Read stored log lines, or follow them as events',
    when: 'To find out why a project fails, or what it did.',
    not: 'For the output of code that was run once: that came with its result.',
    client: 'projects.logs',
    command: 'logs',
    scope: 'read',
    query: LogQuery,
    response: LogPage,
  }),
  getUsage: operation({
    method: 'GET',
    path: `${project}/usage`,
    summary: 'What a project used over time, what it costs, and how long the balance lasts',
    client: 'projects.usage',
    command: 'usage',
    scope: 'read',
    query: UsageQuery,
    response: Usage,
  }),
  listCrons: operation({
    method: 'GET',
    path: `${project}/crons`,
    summary: 'List the schedule of what is live: when each is due next, and how it went last',
    client: 'projects.crons',
    command: 'cron ls',
    scope: 'read',
    response: Cron.CronList,
  }),
  runCron: operation({
    method: 'POST',
    path: `${project}/crons/run`,
    summary: 'Call the scheduled handler of what is live now, as if a cron were due',
    openWorld: true,
    client: 'projects.runCron',
    command: 'cron run',
    scope: 'deploy',
    body: Cron.RunCron,
    example: { cron: '*/5 * * * *' },
    response: Cron.CronRun,
  }),
  listDatabases: operation({
    method: 'GET',
    path: `${project}/databases`,
    summary: "List a project's databases with their sizes",
    client: 'databases.list',
    command: 'db ls',
    scope: 'read',
    response: Database.DatabaseList,
  }),
  queryDatabase: operation({
    method: 'POST',
    path: `${project}/databases/:database/query`,
    summary: 'Run SQL on a database in one transaction; makes it when there is none of that name',
    effect: 'destroys',
    client: 'databases.query',
    command: 'db exec',
    scope: 'deploy',
    body: Database.QueryDatabase,
    example: { sql: 'select * from note where id = ?', params: [1] },
    response: Database.QueryResults,
  }),
  exportDatabase: operation({
    method: 'GET',
    path: `${project}/databases/:database/export`,
    summary: 'A whole database as SQL',
    client: 'databases.export',
    command: 'db export',
    scope: 'deploy',
    response: Database.DatabaseExport,
  }),
  getEnv: operation({
    method: 'GET',
    path: `${project}/env`,
    summary: 'List the names of environment variables; values are write-only',
    client: 'projects.env',
    command: 'env ls',
    scope: 'read',
    response: Project.Env,
  }),
  updateEnv: operation({
    method: 'PATCH',
    path: `${project}/env`,
    summary:
      'Set or delete environment variables; running versions restart without losing a request',
    when: 'To give a project settings and secrets, which it finds in its `env`.',
    not: 'To read values: they are write-only. For plain settings of one version: put them into its files.',
    effect: 'destroys',
    idempotent: true,
    client: 'projects.updateEnv',
    command: 'env set',
    scope: 'deploy',
    body: Project.UpdateEnv,
    example: { env: { GREETING: 'Hello', OLD_NAME: null } },
    response: Project.Env,
  }),
  getEnvHistory: operation({
    method: 'GET',
    path: `${project}/env/history`,
    summary: 'Which variables were set or deleted when, and with which token; never their values',
    client: 'projects.envHistory',
    command: 'env history',
    scope: 'read',
    query: PageQuery,
    response: Project.EnvHistory,
  }),
  stageFiles: operation({
    method: 'POST',
    path: `${project}/files`,
    summary: 'Stage source files for a later deploy with `staged`; the project need not exist',
    when: 'To send a program in pieces, when it is too long for one call; then deploy what is staged.',
    not: 'For a program that fits into one call: deploy its files at once.',
    client: 'files.put',
    command: 'files put',
    scope: 'deploy',
    body: Staged.StageFiles,
    example: { files: { 'src/index.js': `export default { fetch: () => new Response('hello') }` } },
    response: Staged.Stage,
  }),
  listStaged: operation({
    method: 'GET',
    path: `${project}/files`,
    summary: 'List staged files by path',
    when: 'To check what is staged before deploying it.',
    not: 'For what is live: read the project.',
    client: 'files.list',
    command: 'files ls',
    scope: 'read',
    query: PageQuery,
    response: Staged.StagedPage,
  }),
  readStaged: operation({
    method: 'GET',
    path: `${project}/files/content`,
    summary: 'Read a staged file, whole or in parts',
    client: 'files.read',
    command: 'files cat',
    scope: 'read',
    query: Staged.ReadStaged,
    response: Staged.StagedContent,
  }),
  unstageFiles: operation({
    method: 'DELETE',
    path: `${project}/files`,
    summary: 'Remove one staged file, or all of them',
    client: 'files.delete',
    command: 'files rm',
    scope: 'deploy',
    query: Staged.UnstageQuery,
    response: Staged.Stage,
  }),
  me: operation({
    method: 'GET',
    path: '/v1/me',
    summary: 'Who the caller is',
    when: 'To see which account and token calls are made with, and what they may do.',
    not: 'For money alone: ask for the balance.',
    client: 'me',
    command: 'whoami',
    scope: 'read',
    response: Account.Me,
  }),
  balance: operation({
    method: 'GET',
    path: '/v1/balance',
    summary: "The account's balance",
    when: 'Before something that costs, and when a call failed for want of money.',
    not: 'For the price of something: ask for a quote.',
    client: 'balance',
    command: 'balance',
    scope: 'read',
    response: Account.Balance,
  }),
  addBalance: operation({
    method: 'POST',
    path: '/v1/balance',
    summary:
      "Add to a balance, one's own or that of any project's owner; resumes what waits for it",
    when: 'When a balance runs low or a project is suspended for it, and the owner of the money agrees to the amount.',
    not: 'To pay for a call: that happens by itself.',
    client: 'addBalance',
    command: 'balance add',
    scope: 'admin',
    price: 'amount',
    body: Account.AddBalance,
    example: { amount_usd: '1' },
    response: Account.AddedBalance,
  }),
  paymentTerms: operation({
    method: 'GET',
    path: '/v1/payments',
    summary: 'How wallets pay here, and what things cost',
    client: 'paymentTerms',
    command: null,
    scope: null,
    response: PaymentTerms,
  }),
  listSessions: operation({
    method: 'GET',
    path: '/v1/sessions',
    summary: 'List payment sessions, newest first: what is deposited, authorized and spent',
    client: 'sessions.list',
    command: 'sessions',
    scope: 'read',
    query: PageQuery,
    response: SessionPage,
  }),
  closeSession: operation({
    method: 'POST',
    path: '/v1/sessions/:session/close',
    summary:
      'Close a session: Jack takes what was spent, and everything else goes back to the payer',
    idempotent: true,
    client: 'sessions.close',
    command: 'sessions close',
    scope: 'admin',
    response: Session,
  }),
  accountUsage: operation({
    method: 'GET',
    path: '/v1/usage',
    summary:
      "What all of the account's projects used, what it costs, and how long the balance lasts",
    client: 'usage',
    command: 'usage',
    scope: 'read',
    query: UsageQuery,
    response: AccountUsage,
  }),
  listReceipts: operation({
    method: 'GET',
    path: '/v1/receipts',
    summary: 'Every event that moved money, newest first unless `order` is `asc`',
    client: 'receipts',
    command: 'receipts',
    scope: 'read',
    query: Receipt.ReceiptQuery,
    response: Receipt.ReceiptPage,
  }),
  getStatement: operation({
    method: 'GET',
    path: '/v1/receipts/statement',
    summary: 'What all receipts add up to at one moment: balance and sessions, signed',
    client: 'statement',
    command: 'receipts export',
    scope: 'read',
    response: Receipt.Statement,
  }),
  listReceiptKeys: operation({
    method: 'GET',
    path: '/.well-known/jack-receipts',
    summary: 'The public keys that receipts are signed with (a JWK set), the present one first',
    client: 'receiptKeys',
    command: 'receipts verify',
    scope: null,
    response: Receipt.ReceiptKeys,
  }),
  listTokens: operation({
    method: 'GET',
    path: '/v1/tokens',
    summary: "List the account's tokens",
    client: 'tokens.list',
    command: 'token ls',
    scope: 'admin',
    query: PageQuery,
    response: Account.TokenPage,
  }),
  prepareClaim: operation({
    method: 'POST',
    path: '/v1/claim/message',
    summary: 'What a wallet signs so that its projects become those of this account',
    client: 'claims.prepare',
    command: 'claim',
    scope: 'admin',
    body: Claim.PrepareClaim,
    example: { address: '0x742d35cc6634c0532925a3b844bc9e7595f8fe00', projects: ['my-api'] },
    response: Claim.PreparedClaim,
  }),
  claim: operation({
    method: 'POST',
    path: '/v1/claim',
    summary: 'Attach what a wallet deployed to this account, by what the wallet signed',
    client: 'claims.complete',
    command: 'claim',
    scope: 'admin',
    body: Claim.Claim,
    example: { nonce: 'k3w8p2q4t6m7z9r0', signature: `0x${'1b'.repeat(65)}` },
    response: Claim.Claimed,
  }),
  createToken: operation({
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Create a token; it is shown once',
    client: 'tokens.create',
    command: 'token create',
    scope: 'admin',
    body: Account.CreateToken,
    example: { name: 'ci', scopes: ['deploy'], project: 'my-api', daily_cap_usd: '1' },
    response: Account.CreatedToken,
    success: 201,
  }),
  revokeToken: operation({
    method: 'DELETE',
    path: '/v1/tokens/:token',
    summary: 'Revoke a token at once',
    client: 'tokens.revoke',
    command: 'token rm',
    scope: 'admin',
    response: Project.Deleted,
  }),
  exchangeToken: operation({
    method: 'POST',
    path: '/v1/tokens/exchange',
    summary: 'Get a token for an hour by a proof of identity from a CI that the project trusts',
    client: 'tokens.exchange',
    command: 'token exchange',
    scope: null,
    body: Trust.ExchangeToken,
    example: {
      token: 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZXBvOm9jdG8vYXBwIn0.c2ln',
      project: 'my-api',
    },
    response: Trust.ExchangedToken,
    success: 201,
  }),
  listTrusts: operation({
    method: 'GET',
    path: '/v1/trusts',
    summary: 'List whose proofs of identity are exchanged for tokens of which project',
    client: 'trusts.list',
    command: 'trust ls',
    scope: 'admin',
    query: PageQuery,
    response: Trust.TrustPage,
  }),
  createTrust: operation({
    method: 'POST',
    path: '/v1/trusts',
    summary:
      'Trust runs of a CI: they get tokens for one project, with a daily cap, and without a secret',
    client: 'trusts.create',
    command: 'trust add',
    scope: 'admin',
    body: Trust.CreateTrust,
    example: {
      issuer: 'https://token.actions.githubusercontent.com',
      subject: 'repo:octo/app:ref:refs/heads/main',
      project: 'my-api',
    },
    response: Trust.Trust,
    success: 201,
  }),
  deleteTrust: operation({
    method: 'DELETE',
    path: '/v1/trusts/:trust',
    summary: 'Trust no more, and revoke every token that was got by it',
    client: 'trusts.delete',
    command: 'trust rm',
    scope: 'admin',
    response: Project.Deleted,
  }),
  listAudit: operation({
    method: 'GET',
    path: '/v1/audit',
    summary: 'Who changed what with which token in the last 90 days, the latest first',
    client: 'audit',
    command: 'audit',
    scope: 'admin',
    query: PageQuery,
    response: AuditPage,
  }),
} satisfies Record<string, Operation>

export type OperationName = keyof typeof operations
