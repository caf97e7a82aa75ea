interface Env {
  GREETING?: string
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    console.log(request.method, pathname)
    if (pathname !== '/') return new Response('Not found\n', { status: 404 })
    const name = searchParams.get('name') ?? 'world'
    return new Response(`${env.GREETING ?? 'Hello'}, ${name}!\n`)
  },
}
