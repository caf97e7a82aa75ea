import { JackError } from '@jackcloud/sdk'

/**
 * A length of time in hours. A number alone is hours.
 *
 * @example hours('7d') // 168
 */
export function hours(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(m|h|d|w)?$/.exec(text.trim())
  const amount = Number(match?.[1])
  if (match && amount > 0) {
    const sizes: Record<string, number> = { m: 1 / 60, h: 1, d: 24, w: 168 }
    return amount * (sizes[match[2] ?? 'h'] as number)
  }
  throw new JackError('usage', `"${text}" is not a length of time.`, {
    hint: 'Write 90m, 24h or 7d.',
  })
}

/**
 * A length of time in milliseconds. A number alone is milliseconds.
 *
 * @example milliseconds('2s') // 2000
 */
export function milliseconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text.trim())
  const amount = Number(match?.[1])
  if (match && amount > 0) {
    const sizes: Record<string, number> = { ms: 1, s: 1_000, m: 60_000 }
    return Math.round(amount * (sizes[match[2] ?? 'ms'] as number))
  }
  throw new JackError('usage', `"${text}" is not a length of time.`, {
    hint: 'Write 500ms, 5s or 1m.',
  })
}
