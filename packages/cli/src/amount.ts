import { JackError } from '@jackcloud/sdk'

/**
 * An amount in USD as the wire wants it, with or without a dollar sign.
 *
 * @example amount('$5') // '5'
 */
export function amount(text: string): string {
  const digits = text.replace(/^\$/, '')
  if (/^\d{1,9}(\.\d{1,6})?$/.test(digits)) return digits
  throw new JackError('usage', `"${text}" is not an amount in USD.`, { hint: 'Write 5 or 0.25.' })
}
