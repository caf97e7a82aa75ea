import { zValidator } from '@hono/zod-validator'
import { Hono } from 'hono'
import groupBy from 'lodash/groupBy.js'
import { Booking, book } from './booking.js'

const bookings: ReturnType<typeof book>[] = []

const app = new Hono()
  .post('/bookings', zValidator('json', Booking), (c) => {
    const booking = book(c.req.valid('json'))
    bookings.push(booking)
    return c.json(booking, 201)
  })
  .get('/bookings', (c) => c.json(groupBy(bookings, 'from')))

export default app
