import { LRUCache } from 'lru-cache'
import type { Hex } from '../Session.ts'
import { keccak, keccakOf } from './keccak.ts'

// As much of EIP-712 as vouchers and proofs need: https://eips.ethereum.org/EIPS/eip-712

export interface Domain {
  name: string
  version: string
  chainId: number
  verifyingContract?: Hex
}

/** What is signed, 32 bytes, of a struct whose type and fields are words of 32 bytes. */
export const typedDigest = (domain: Domain, type: Buffer, ...fields: Buffer[]): Buffer =>
  keccak(Buffer.concat([prefix, separator(domain), keccak(Buffer.concat([type, ...fields]))]))

/** The word of a number that is not negative and fits. */
export const word = (value: bigint | number): Buffer =>
  Buffer.from(value.toString(16).padStart(64, '0'), 'hex')

const prefix = Buffer.from([0x19, 0x01])

/** A server knows few chains; the bound is for one that is asked about others. */
const separators = new LRUCache<string, Buffer>({ max: 100 })

function separator({ name, version, chainId, verifyingContract }: Domain): Buffer {
  const key = JSON.stringify([name, version, chainId, verifyingContract])
  const known = separators.get(key)
  if (known) return known
  const contract = verifyingContract && [word(BigInt(verifyingContract))]
  const type = `EIP712Domain(string name,string version,uint256 chainId${contract ? ',address verifyingContract' : ''})`
  const made = keccak(
    Buffer.concat([
      keccakOf(type),
      keccakOf(name),
      keccakOf(version),
      word(chainId),
      ...(contract ?? []),
    ]),
  )
  separators.set(key, made)
  return made
}
