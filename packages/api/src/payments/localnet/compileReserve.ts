import { readFile } from 'node:fs/promises'
import solc from 'solc'
import type { Hex } from 'viem'

const SOURCE = new URL('ChannelReserve.sol', import.meta.url)

/** Compiles `ChannelReserve.sol`. Always gives the same bytes: nothing in them names the machine or its paths. */
export async function compileReserve(): Promise<{ runtimeCode: Hex }> {
  const output: Output = JSON.parse(
    solc.compile(
      JSON.stringify({
        language: 'Solidity',
        sources: { 'ChannelReserve.sol': { content: await readFile(SOURCE, 'utf8') } },
        settings: {
          evmVersion: 'cancun',
          optimizer: { enabled: true, runs: 200 },
          viaIR: true,
          metadata: { appendCBOR: false, bytecodeHash: 'none' },
          outputSelection: { '*': { ChannelReserve: ['evm.deployedBytecode.object'] } },
        },
      }),
    ),
  )
  const problems = output.errors?.filter((it) => it.errorCode !== TRANSIENT) ?? []
  if (problems.length > 0) throw new Error(problems.map((it) => it.formattedMessage).join('\n'))
  const contract = output.contracts['ChannelReserve.sol'].ChannelReserve
  return { runtimeCode: `0x${contract.evm.deployedBytecode.object}` }
}

/** The compiler's advice that transient storage is to be used with care. */
const TRANSIENT = '2394'

interface Output {
  errors?: { errorCode: string; formattedMessage: string }[]
  contracts: {
    'ChannelReserve.sol': { ChannelReserve: { evm: { deployedBytecode: { object: string } } } }
  }
}
