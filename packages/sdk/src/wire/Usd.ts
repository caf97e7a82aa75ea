import { z } from 'zod'

/** Money on the wire: a decimal string in USD with six places, such as "0.050000". */
export const Usd = z.string().regex(/^-?\d{1,12}\.\d{6}$/)

/** A sum of USD that a person or a program names: "5", "0.5", "12.345678". */
export const UsdInput = z
  .string()
  .regex(
    /^\d{1,9}(\.\d{1,6})?$/,
    'an amount in USD with at most six decimals, such as "5" or "0.25"',
  )

/**
 * Micro-USD (1 USD = 1,000,000) to a decimal string.
 *
 * @example toUsd(50_000n) // '0.050000'
 */
export function toUsd(microUsd: bigint): string {
  const sign = microUsd < 0n ? '-' : ''
  const digits = (microUsd < 0n ? -microUsd : microUsd).toString().padStart(7, '0')
  return `${sign}${digits.slice(0, -6)}.${digits.slice(-6)}`
}

/**
 * A decimal string in USD to micro-USD. Throws a RangeError on anything but digits with at most six decimals.
 *
 * @example fromUsd('0.05') // 50_000n
 */
export function fromUsd(usd: string): bigint {
  const match = /^(-?)(\d{1,12})(?:\.(\d{1,6}))?$/.exec(usd)
  if (!match) throw new RangeError(`not an amount in USD: ${usd.slice(0, 40)}`)
  const [, sign, whole, fraction = ''] = match
  const microUsd = BigInt(whole as string) * 1_000_000n + BigInt(fraction.padEnd(6, '0'))
  return sign ? -microUsd : microUsd
}
