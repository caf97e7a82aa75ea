// Events come until somebody posts to /stop.
let stopped = false
let readers = 0

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

function events(from: number): Response {
  const encoder = new TextEncoder()
  let id = from
  readers++
  const body = new ReadableStream({
    async pull(controller) {
      if (stopped) {
        controller.enqueue(encoder.encode('event: bye\ndata: {}\n\n'))
        controller.close()
        readers--
        return
      }
      id++
      controller.enqueue(
        encoder.encode(`id: ${id}\nevent: tick\ndata: ${JSON.stringify({ id })}\n\n`),
      )
      await pause(20)
    },
    cancel() {
      readers--
    },
  })
  return new Response(body, {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' },
  })
}

export default {
  fetch(request: Request): Response {
    const { pathname } = new URL(request.url)
    if (pathname === '/events') return events(Number(request.headers.get('last-event-id') ?? 0))
    if (pathname === '/readers') return Response.json(readers)
    if (pathname === '/stop' && request.method === 'POST') {
      stopped = true
      return new Response(null, { status: 204 })
    }
    return new Response('Not found', { status: 404 })
  },
}
