// Echoes, does what it is told to, and remembers what it saw on every path.
const seen = new Map()

export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url)
    if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket')
      return Response.json(seen.get(pathname) ?? [])
    if (searchParams.has('refuse')) return new Response('Not you.', { status: 403 })
    const events = []
    seen.set(pathname, events)
    const [client, server] = Object.values(new WebSocketPair())
    server.accept({ allowHalfOpen: searchParams.has('half') })
    server.binaryType = 'arraybuffer'
    server.addEventListener('message', ({ data }) => {
      const isText = typeof data === 'string'
      events.push([isText ? 'text' : 'bytes', isText ? data.length : data.byteLength])
      const [, word, argument] = (isText && /^(close|send|throw):(.*)$/.exec(data)) || []
      if (word === 'throw') throw new Error(argument)
      if (word === 'send') server.send(new Uint8Array(Number(argument)).fill(7))
      else if (word === 'close') server.close(...JSON.parse(argument))
      else server.send(data)
    })
    server.addEventListener('close', ({ code, reason, wasClean }) => {
      events.push(['close', code, reason, wasClean])
    })
    server.addEventListener('error', () => events.push(['error']))
    const protocol = request.headers.get('sec-websocket-protocol')?.split(',')[0]
    const headers = protocol ? { 'sec-websocket-protocol': protocol } : {}
    return new Response(null, { status: 101, webSocket: client, headers })
  },
}
