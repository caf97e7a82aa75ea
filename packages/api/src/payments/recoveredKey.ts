import { createRequire } from 'node:module'
import { recover } from 'tiny-secp256k1'

/**
 * The 64 bytes of x and y of the secp256k1 key that signed; null for numbers that no key signs with.
 *
 * @param digest 32 bytes
 * @param rs 64 bytes, r and s
 */
export type RecoveredKey = (digest: Uint8Array, rs: Uint8Array, yParity: 0 | 1) => Uint8Array | null

/** libsecp256k1 as WebAssembly, which is there on every machine. */
export const byWebAssembly: RecoveredKey = (digest, rs, yParity) => {
  try {
    return recover(digest, rs, yParity)?.subarray(1) ?? null
  } catch {
    return null
  }
}

/** The same library as machine code, in a fifth of the time; null where nobody built it. */
export const byMachineCode: RecoveredKey | null = load()

export const recoveredKey: RecoveredKey = byMachineCode ?? byWebAssembly

function load(): RecoveredKey | null {
  let native: {
    ecdsaRecover(
      rs: Uint8Array,
      yParity: number,
      digest: Uint8Array,
      compressed: boolean,
    ): Uint8Array
  }
  try {
    // Not the package's main file, which takes a curve in JavaScript instead.
    native = createRequire(import.meta.url)('secp256k1/bindings.js')
  } catch {
    return null
  }
  return (digest, rs, yParity) => {
    try {
      return native.ecdsaRecover(rs, yParity, digest, false).subarray(1)
    } catch {
      return null
    }
  }
}
