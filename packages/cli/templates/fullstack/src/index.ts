interface Env {
  ASSETS: { fetch(request: Request): Promise<Response> }
}

export default {
  /** Asked for what no file in `public/` answers. */
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname === '/api/time') return Response.json({ time: new Date().toISOString() })
    if (pathname.startsWith('/api/')) return Response.json({ error: 'Not found' }, { status: 404 })
    return env.ASSETS.fetch(request)
  },
}
