import { writeFile } from 'node:fs/promises'
import { compileReserve } from './compileReserve.ts'

const { runtimeCode } = await compileReserve()
await writeFile(
  new URL('reserveCode.ts', import.meta.url),
  `/** What \`pnpm --filter @jackcloud/api build:reserve\` makes of ChannelReserve.sol. */\nexport const reserveCode =\n  '${runtimeCode}'\n`,
)
