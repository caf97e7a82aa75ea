import { z } from 'zod'
import * as Account from './Account.ts'
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
import { AccountUsage, Usage, UsageQuery } from './Usage.ts'

/** An operation of Jack, defined once: the API validates by it, the SDK is typed by it, docs and tools are made of it. */
export interface Operation {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** With `:name` for each path parameter. */
  path: string
  summary: string
  /** What a token needs; null for everybody. */
  scope: Account.Scope | null
  /** Which list price a success costs; `amount` is what the body's `amount_usd` says. */
  price?: 'execution' | 'deploy' | 'amount'
  query?: z.ZodObject
  body?: z.ZodType
  /** A body that works as it is. Tools that try an API out send it. */
  example?: object
  /** Sent as `multipart/form-data`: `body` is the field `manifest`, files follow. */
  multipart?: boolean
  response: z.ZodType
  /** Media type of the answer when it is not JSON. */
  media?: 'application/gzip'
  /** Status of success when it is not 200. */
  success?: 201
}

const operation = <const T extends Operation>(it: T): T => it

const project = '/v1/projects/:project'

export const operations = {
  execute: operation({
    method: 'POST',
    path: '/execute',
    summary: 'Run a program once in a fresh isolate and answer its result',
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
    summary: 'What an execution or a deploy would cost; free, nothing is kept',
    scope: null,
    body: z.union([ExecuteRequest, DeployRequest, Account.QuoteManifest]),
    response: Account.Quote,
  }),
  listProjects: operation({
    method: 'GET',
    path: '/v1/projects',
    summary: 'List projects, newest first',
    scope: 'read',
    query: PageQuery,
    response: Project.ProjectPage,
  }),
  createProject: operation({
    method: 'POST',
    path: '/v1/projects',
    summary: 'Create an empty project',
    scope: 'deploy',
    body: Project.CreateProject,
    response: Project.Project,
    success: 201,
  }),
  getProject: operation({
    method: 'GET',
    path: project,
    summary: 'Read a project',
    scope: 'read',
    response: Project.ProjectDetails,
  }),
  updateProject: operation({
    method: 'PATCH',
    path: project,
    summary: "Change a project's budgets or time to live",
    scope: 'deploy',
    body: Project.UpdateProject,
    response: Project.Project,
  }),
  renewProject: operation({
    method: 'POST',
    path: `${project}/renew`,
    summary: 'Give a project its whole time again, also one that expired and is still kept',
    scope: 'deploy',
    body: Project.RenewRequest,
    response: Project.Project,
  }),
  resumeProject: operation({
    method: 'POST',
    path: `${project}/resume`,
    summary: 'Let a suspended project answer again, when what suspended it is over',
    scope: 'deploy',
    response: Project.Project,
  }),
  exportProject: operation({
    method: 'GET',
    path: `${project}/export`,
    summary:
      'A project as a tar.gz: its folder as it can be deployed again, its data, and what is known of it',
    scope: 'deploy',
    media: 'application/gzip',
    response: z.unknown(),
  }),
  deleteProject: operation({
    method: 'DELETE',
    path: project,
    summary: 'Delete a project and everything in it',
    scope: 'deploy',
    response: Project.Deleted,
  }),
  upload: operation({
    method: 'POST',
    path: `${project}/deployments/upload`,
    summary:
      'Deploy modules and static files that the client bundled; creates the project when it is new',
    scope: 'deploy',
    price: 'deploy',
    body: Manifest,
    multipart: true,
    response: DeployResponse,
    success: 201,
  }),
  listDeployments: operation({
    method: 'GET',
    path: `${project}/deployments`,
    summary: 'List the versions of a project, newest first',
    scope: 'read',
    query: PageQuery,
    response: Project.DeploymentPage,
  }),
  promote: operation({
    method: 'POST',
    path: `${project}/deployments/:deployment/promote`,
    summary: 'Make a version live',
    scope: 'deploy',
    response: Project.LiveDeployment,
  }),
  rollback: operation({
    method: 'POST',
    path: `${project}/rollback`,
    summary: 'Go back to the version that was live before, or to a given one',
    scope: 'deploy',
    body: Project.RollbackRequest,
    response: Project.LiveDeployment,
  }),
  getLogs: operation({
    method: 'GET',
    path: `${project}/logs`,
    summary: 'Read stored log lines; with `Accept: text/event-stream`, follow them',
    scope: 'read',
    query: LogQuery,
    response: LogPage,
  }),
  getUsage: operation({
    method: 'GET',
    path: `${project}/usage`,
    summary: 'What a project used over time, what it costs, and how long the balance lasts',
    scope: 'read',
    query: UsageQuery,
    response: Usage,
  }),
  listCrons: operation({
    method: 'GET',
    path: `${project}/crons`,
    summary: 'List the schedule of what is live: when each is due next, and how it went last',
    scope: 'read',
    response: Cron.CronList,
  }),
  runCron: operation({
    method: 'POST',
    path: `${project}/crons/run`,
    summary: 'Call the scheduled handler of what is live now, as if a cron were due',
    scope: 'deploy',
    body: Cron.RunCron,
    response: Cron.CronRun,
  }),
  listDatabases: operation({
    method: 'GET',
    path: `${project}/databases`,
    summary: "List a project's databases with their sizes",
    scope: 'read',
    response: Database.DatabaseList,
  }),
  queryDatabase: operation({
    method: 'POST',
    path: `${project}/databases/:database/query`,
    summary: 'Run SQL on a database in one transaction; makes it when there is none of that name',
    scope: 'deploy',
    body: Database.QueryDatabase,
    response: Database.QueryResults,
  }),
  exportDatabase: operation({
    method: 'GET',
    path: `${project}/databases/:database/export`,
    summary: 'A whole database as SQL',
    scope: 'deploy',
    response: Database.DatabaseExport,
  }),
  getEnv: operation({
    method: 'GET',
    path: `${project}/env`,
    summary: 'List the names of environment variables; values are write-only',
    scope: 'read',
    response: Project.Env,
  }),
  updateEnv: operation({
    method: 'PATCH',
    path: `${project}/env`,
    summary:
      'Set or delete environment variables; running versions restart without losing a request',
    scope: 'deploy',
    body: Project.UpdateEnv,
    response: Project.Env,
  }),
  getEnvHistory: operation({
    method: 'GET',
    path: `${project}/env/history`,
    summary: 'Which variables were set or deleted when, and with which token; never their values',
    scope: 'read',
    query: PageQuery,
    response: Project.EnvHistory,
  }),
  stageFiles: operation({
    method: 'POST',
    path: `${project}/files`,
    summary: 'Stage source files for a later deploy with `staged`; the project need not exist',
    scope: 'deploy',
    body: Staged.StageFiles,
    response: Staged.Stage,
  }),
  listStaged: operation({
    method: 'GET',
    path: `${project}/files`,
    summary: 'List staged files by path',
    scope: 'read',
    query: PageQuery,
    response: Staged.StagedPage,
  }),
  readStaged: operation({
    method: 'GET',
    path: `${project}/files/content`,
    summary: 'Read a staged file, whole or in parts',
    scope: 'read',
    query: Staged.ReadStaged,
    response: Staged.StagedContent,
  }),
  unstageFiles: operation({
    method: 'DELETE',
    path: `${project}/files`,
    summary: 'Remove one staged file, or all of them',
    scope: 'deploy',
    query: Staged.UnstageQuery,
    response: Staged.Stage,
  }),
  me: operation({
    method: 'GET',
    path: '/v1/me',
    summary: 'Who the caller is',
    scope: 'read',
    response: Account.Me,
  }),
  balance: operation({
    method: 'GET',
    path: '/v1/balance',
    summary: "The account's balance",
    scope: 'read',
    response: Account.Balance,
  }),
  addBalance: operation({
    method: 'POST',
    path: '/v1/balance',
    summary:
      "Add to a balance, one's own or that of any project's owner; resumes what waits for it",
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
    scope: null,
    response: PaymentTerms,
  }),
  listSessions: operation({
    method: 'GET',
    path: '/v1/sessions',
    summary: 'List payment sessions, newest first: what is deposited, authorized and spent',
    scope: 'read',
    query: PageQuery,
    response: SessionPage,
  }),
  closeSession: operation({
    method: 'POST',
    path: '/v1/sessions/:session/close',
    summary:
      'Close a session: Jack takes what was spent, and everything else goes back to the payer',
    scope: 'admin',
    response: Session,
  }),
  accountUsage: operation({
    method: 'GET',
    path: '/v1/usage',
    summary:
      "What all of the account's projects used, what it costs, and how long the balance lasts",
    scope: 'read',
    query: UsageQuery,
    response: AccountUsage,
  }),
  listReceipts: operation({
    method: 'GET',
    path: '/v1/receipts',
    summary: 'Every event that moved money, newest first unless `order` is `asc`',
    scope: 'read',
    query: Receipt.ReceiptQuery,
    response: Receipt.ReceiptPage,
  }),
  getStatement: operation({
    method: 'GET',
    path: '/v1/receipts/statement',
    summary: 'What all receipts add up to at one moment: balance and sessions, signed',
    scope: 'read',
    response: Receipt.Statement,
  }),
  listReceiptKeys: operation({
    method: 'GET',
    path: '/.well-known/jack-receipts',
    summary: 'The public keys that receipts are signed with (a JWK set), the present one first',
    scope: null,
    response: Receipt.ReceiptKeys,
  }),
  listTokens: operation({
    method: 'GET',
    path: '/v1/tokens',
    summary: "List the account's tokens",
    scope: 'admin',
    query: PageQuery,
    response: Account.TokenPage,
  }),
  createToken: operation({
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Create a token; it is shown once',
    scope: 'admin',
    body: Account.CreateToken,
    response: Account.CreatedToken,
    success: 201,
  }),
  revokeToken: operation({
    method: 'DELETE',
    path: '/v1/tokens/:token',
    summary: 'Revoke a token at once',
    scope: 'admin',
    response: Project.Deleted,
  }),
} satisfies Record<string, Operation>

export type OperationName = keyof typeof operations
