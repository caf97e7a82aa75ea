import { JackError } from './Errors.ts'

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/**
 * A time that a person names: RFC 3339, or how long ago ("90s", "15m", "2h", "7d").
 * Throws `invalid_request` on anything else.
 */
export function parseWhen(text: string, now: Date): Date {
  const ago = /^(\d{1,6})([smhd])$/.exec(text)
  if (ago) return new Date(now.getTime() - Number(ago[1]) * unitMs[ago[2] as keyof typeof unitMs])
  const at = new Date(text)
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(at.getTime())) return at
  throw new JackError('invalid_request', `"${text.slice(0, 40)}" is not a time.`, {
    hint: 'Write a time such as 2026-11-21T07:00:00Z, or how long ago: 90s, 15m, 2h, 7d.',
  })
}
