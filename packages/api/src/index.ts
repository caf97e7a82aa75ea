export { type Config, configNames, readConfig } from './Config.ts'
export { JackError } from './Errors.ts'
export type { Jack } from './jack.ts'
export { type Cloud, startCloud } from './start.ts'
