import { addDays, differenceInCalendarDays, formatISO, parseISO } from 'date-fns'
import { nanoid } from 'nanoid'
import { z } from 'zod'

export const Booking = z.object({
  name: z.string().trim().min(1),
  email: z.email(),
  from: z.iso.date(),
  nights: z.int().min(1).max(30).default(1),
})

export function book({ from, nights, ...guest }: z.output<typeof Booking>) {
  const until = addDays(parseISO(from), nights)
  return {
    id: nanoid(12),
    ...guest,
    from,
    until: formatISO(until, { representation: 'date' }),
    days: differenceInCalendarDays(until, parseISO(from)),
  }
}
