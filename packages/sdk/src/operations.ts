import type { z } from 'zod'
import type { OperationName, operations } from './wire/operations.ts'

type Operations = typeof operations

/** What an operation takes, as a caller writes it. */
export type Input<Name extends OperationName> = Operations[Name] extends {
  body: infer Body extends z.ZodType
}
  ? z.input<Body>
  : never

/** What an operation takes in its query, every field optional. */
export type Query<Name extends OperationName> = Operations[Name] extends {
  query: infer Fields extends z.ZodObject
}
  ? Partial<z.output<Fields>>
  : never

/** What an operation answers. */
export type Answer<Name extends OperationName> = z.output<Operations[Name]['response']>

/**
 * Method and path of every operation. They repeat `wire/operations.ts` so that a program that uses the client need not
 * carry the schemas; the type refuses any difference.
 */
export const routes: {
  readonly [Name in OperationName]: readonly [Operations[Name]['method'], Operations[Name]['path']]
} = {
  execute: ['POST', '/execute'],
  deploy: ['POST', '/deploy'],
  quote: ['POST', '/v1/quote'],
  listProjects: ['GET', '/v1/projects'],
  createProject: ['POST', '/v1/projects'],
  getProject: ['GET', '/v1/projects/:project'],
  updateProject: ['PATCH', '/v1/projects/:project'],
  renewProject: ['POST', '/v1/projects/:project/renew'],
  resumeProject: ['POST', '/v1/projects/:project/resume'],
  exportProject: ['GET', '/v1/projects/:project/export'],
  deleteProject: ['DELETE', '/v1/projects/:project'],
  upload: ['POST', '/v1/projects/:project/deployments/upload'],
  listDeployments: ['GET', '/v1/projects/:project/deployments'],
  promote: ['POST', '/v1/projects/:project/deployments/:deployment/promote'],
  rollback: ['POST', '/v1/projects/:project/rollback'],
  getLogs: ['GET', '/v1/projects/:project/logs'],
  getUsage: ['GET', '/v1/projects/:project/usage'],
  listCrons: ['GET', '/v1/projects/:project/crons'],
  runCron: ['POST', '/v1/projects/:project/crons/run'],
  listDatabases: ['GET', '/v1/projects/:project/databases'],
  queryDatabase: ['POST', '/v1/projects/:project/databases/:database/query'],
  exportDatabase: ['GET', '/v1/projects/:project/databases/:database/export'],
  getEnv: ['GET', '/v1/projects/:project/env'],
  updateEnv: ['PATCH', '/v1/projects/:project/env'],
  getEnvHistory: ['GET', '/v1/projects/:project/env/history'],
  stageFiles: ['POST', '/v1/projects/:project/files'],
  listStaged: ['GET', '/v1/projects/:project/files'],
  readStaged: ['GET', '/v1/projects/:project/files/content'],
  unstageFiles: ['DELETE', '/v1/projects/:project/files'],
  me: ['GET', '/v1/me'],
  balance: ['GET', '/v1/balance'],
  addBalance: ['POST', '/v1/balance'],
  paymentTerms: ['GET', '/v1/payments'],
  listSessions: ['GET', '/v1/sessions'],
  closeSession: ['POST', '/v1/sessions/:session/close'],
  accountUsage: ['GET', '/v1/usage'],
  listReceipts: ['GET', '/v1/receipts'],
  getStatement: ['GET', '/v1/receipts/statement'],
  listReceiptKeys: ['GET', '/.well-known/jack-receipts'],
  listTokens: ['GET', '/v1/tokens'],
  prepareClaim: ['POST', '/v1/claim/message'],
  claim: ['POST', '/v1/claim'],
  createToken: ['POST', '/v1/tokens'],
  revokeToken: ['DELETE', '/v1/tokens/:token'],
  exchangeToken: ['POST', '/v1/tokens/exchange'],
  listTrusts: ['GET', '/v1/trusts'],
  createTrust: ['POST', '/v1/trusts'],
  deleteTrust: ['DELETE', '/v1/trusts/:trust'],
  listAudit: ['GET', '/v1/audit'],
}
