import { Buffer } from 'node:buffer'
import { createHash, randomUUID } from 'node:crypto'

/**
 * Welcome to Cloudflare Workers! This is your first worker.
 */
const seen: string[] = []

class Heading {
  constructor(private readonly greeting: string) {}
  element(element: Element) {
    element.setInnerContent(this.greeting)
    element.setAttribute('data-rewritten', 'yes')
  }
}

export default {
  async fetch(request, env, ctx): Promise<Response> {
    const url = new URL(request.url)
    switch (url.pathname) {
      case '/message':
        return new Response(`${env.GREETING}, World!`)
      case '/env':
        return Response.json({
          levels: env.LEVELS,
          key: env.API_KEY ?? null,
          env: process.env.GREETING ?? null,
        })
      case '/digest': {
        const body = Buffer.from(await request.arrayBuffer())
        return Response.json({
          sha256: createHash('sha256').update(body).digest('hex'),
          base64: body.toString('base64'),
          uuid: randomUUID(),
        })
      }
      case '/rewritten': {
        const page = await env.ASSETS.fetch(new URL('/', url))
        return new HTMLRewriter().on('#heading', new Heading(env.GREETING)).transform(page)
      }
      case '/later':
        ctx.waitUntil(
          (async () => {
            await new Promise((resolve) => setTimeout(resolve, 50))
            seen.push(url.search)
          })(),
        )
        return new Response('Accepted', { status: 202 })
      case '/seen':
        return Response.json(seen)
      case '/cached': {
        const cache = caches.default
        if (request.method === 'DELETE') return Response.json(await cache.delete(request.url))
        const hit = await cache.match(request)
        if (hit) {
          const response = new Response(hit.body, hit)
          response.headers.set('x-cache', 'hit')
          return response
        }
        const fresh = new Response(`computed as ${randomUUID()}`, {
          headers: { 'cache-control': 'max-age=60' },
        })
        ctx.waitUntil(cache.put(request, fresh.clone()))
        return fresh
      }
      default:
        return new Response('Not Found', { status: 404 })
    }
  },
} satisfies ExportedHandler<Env>
