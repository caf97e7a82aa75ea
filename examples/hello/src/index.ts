// A program for Jack: anything that answers `fetch`. `pnpm start` deploys it.
export default {
  async fetch(request: Request, env: { GREETING?: string }): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/health') return Response.json({ ok: true })
    const name = searchParams.get('name') ?? 'world'
    console.log(`greeting ${name}`)
    return Response.json({
      message: `${env.GREETING ?? 'Hello'}, ${name}!`,
      at: new Date().toISOString(),
    })
  },
}
