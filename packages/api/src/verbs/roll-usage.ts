import type { Jack } from '../jack.ts'
import { roll } from '../store/usage.ts'

const hour = 3_600_000
const day = 24 * hour

/** How long usage is kept by the minute, and by the hour. */
export const minutesKeptDays = 7
export const hoursKeptDays = 400

export async function rollUsage(jack: Jack): Promise<void> {
  const thisHour = Math.floor(jack.now().getTime() / hour) * hour
  await roll(
    jack.db,
    new Date(thisHour - minutesKeptDays * day),
    new Date(thisHour - hoursKeptDays * day),
  )
}
