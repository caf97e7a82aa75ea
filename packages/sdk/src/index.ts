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
export { type ErrorCode, errorCodes, isErrorCode } from './wire/codes.ts'
export { limits } from './wire/limits.ts'
