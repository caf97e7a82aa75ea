export type Hex = `0x${string}`

/** What the id of a channel is the hash of: addresses and hashes. */
export interface Descriptor {
  payer: Hex
  payee: Hex
  operator: Hex
  token: Hex
  salt: Hex
  authorizedSigner: Hex
  expiringNonceHash: Hex
}

/** A session as its payer knows it. */
export interface Channel {
  id: Hex
  descriptor: Descriptor
  chainId: number
  escrow: Hex
  /** What the chain holds for it. */
  depositMicroUsd: bigint
  /** The highest amount that was ever handed out to be signed. It only rises: no two requests get the same. */
  signedMicroUsd: bigint
  /** How much of it the server gave back: the next voucher uses that first. */
  freeMicroUsd: bigint
  openedAt: string
  /** The server or the chain said that it is open. */
  confirmed: boolean
}

/** The channel after a voucher for `price` was handed out; its `signedMicroUsd` is what to sign. */
export function nextVoucher(channel: Channel, price: bigint, atLeast = 1n): Channel {
  const missing = price - channel.freeMicroUsd
  const step = missing > atLeast ? missing : atLeast
  return {
    ...channel,
    signedMicroUsd: channel.signedMicroUsd + step,
    freeMicroUsd: channel.freeMicroUsd + step - price,
  }
}

/** The channel after the server did not take an amount that was signed for. */
export const given = (channel: Channel, microUsd: bigint): Channel => ({
  ...channel,
  freeMicroUsd: channel.freeMicroUsd + microUsd,
})

/** A channel as others know it, joined with what is known of it here. */
export const joined = (here: Channel | undefined, there: Channel): Channel =>
  here?.id === there.id
    ? {
        ...there,
        signedMicroUsd: larger(here.signedMicroUsd, there.signedMicroUsd),
        freeMicroUsd: here.freeMicroUsd,
        openedAt: here.openedAt,
      }
    : there

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** What the deposit holds beyond what was signed for. */
export const leftOf = (channel: Channel): bigint => channel.depositMicroUsd - channel.signedMicroUsd
