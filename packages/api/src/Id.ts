const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

export type IdPrefix =
  | 'acc'
  | 'prj'
  | 'dep'
  | 'exe'
  | 'tok'
  | 'req'
  | 'env'
  | 'run'
  | 'ses'
  | 'cli'
  | 'tru'

/**
 * An id such as `dep_01kb3v9x2mf4c8…`: ten characters of time in milliseconds, then randomness, in Crockford's base 32.
 * Ids of one kind sort by time and are DNS-safe.
 *
 * @param random 14 random bytes; five bits of each are used
 */
export function makeId(prefix: IdPrefix, nowMs: number, random: Uint8Array): string {
  let time = ''
  for (let rest = nowMs, i = 0; i < 10; i++) {
    time = alphabet[rest % 32] + time
    rest = Math.floor(rest / 32)
  }
  let tail = ''
  for (let i = 0; i < 14; i++) tail += alphabet[(random[i] as number) & 31]
  return `${prefix}_${time}${tail}`
}
