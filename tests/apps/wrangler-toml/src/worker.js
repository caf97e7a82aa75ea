import { EventEmitter } from 'node:events'
import * as modules from './node.js'
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
    if (pathname === '/api/node') {
      const here = { eol: modules.os.EOL, cwd: process.cwd(), version: typeof process.version }
      return Response.json({ ...here, modules: Object.values(modules).filter(Boolean).length })
    }
    events.emit('asked')
    return Response.json({ site: env.SITE, schema: schema.trim(), emitted })
  },
}
