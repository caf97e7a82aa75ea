// What a program needs to use Jack, in Node, browsers and Workers. Files and folders are read by `@jackcloud/sdk/node`.
export type { Fetch } from './fetch.ts'
export {
  type CallOptions,
  createJack,
  defaultUrl,
  type Jack,
  type JackOptions,
  type PostOptions,
} from './Jack.ts'
export { type ClientErrorCode, JackError, type JackErrorOptions } from './JackError.ts'
export type { FileBytes } from './multipart.ts'
export type { Answer, Input, Query } from './operations.ts'
export type { OwnWallet } from './wallet/index.ts'
export type { Payment, PaymentReceipt } from './wallet/Payment.ts'
export type { SpendingLimits } from './wallet/Spending.ts'
export type { WalletAccount } from './wallet/signer.ts'
export { type Changed, memoryStore, type WalletStore } from './wallet/WalletStore.ts'
export type { WalletOptions, WalletSession } from './wallet/wallet.ts'
export { type ErrorCode, errorCodes, isErrorCode } from './wire/codes.ts'
export { limits } from './wire/limits.ts'
