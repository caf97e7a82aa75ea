import { EventEmitter } from 'node:events'
import schema from './schema.sql'

const events = new EventEmitter()
let emitted = 0
events.on('asked', () => {
  emitted++
})

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url)
    if (!pathname.startsWith('/api/')) return new Response('worker', { status: 404 })
    events.emit('asked')
    return Response.json({ site: env.SITE, schema: schema.trim(), emitted })
  },
}
