// The contract. Whatever the API, the SDK, the CLI and the docs share is exported here, and nothing else is shared.
export * from './Account.ts'
export * from './Audit.ts'
export * from './Bindings.ts'
export * from './Claim.ts'
export * from './Cron.ts'
export { type ErrorCode, errorCodes, isErrorCode } from './codes.ts'
export * from './Database.ts'
export * from './Deploy.ts'
export * from './Execute.ts'
export { type Finding, rules } from './Finding.ts'
export { LiveVersion } from './LiveVersion.ts'
export * from './Log.ts'
export { limits } from './limits.ts'
export * from './Names.ts'
export {
  effectOf,
  isIdempotent,
  type Operation,
  type OperationName,
  operations,
} from './operations.ts'
export { PageQuery } from './Page.ts'
export * from './PaymentTerms.ts'
export * from './Problem.ts'
export * from './Project.ts'
export { cpuStepUs, prices, runtimeCosts } from './prices.ts'
export { defaultCompatibilityDate, manifestOf, type ProgramShape } from './program.ts'
export * from './Receipt.ts'
export * from './Session.ts'
export type { HeaderRule, RedirectRule } from './SiteRules.ts'
export * from './Staged.ts'
export { statementsOf } from './sql.ts'
export * from './Trust.ts'
export * from './Usage.ts'
export { fromUsd, toUsd, Usd, UsdInput } from './Usd.ts'
export { type Totals, type Verdict, verifyBill } from './verifyBill.ts'
export { canonicalVersion, type Version, versionOf, versionParts } from './version.ts'
