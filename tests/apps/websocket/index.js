export default {
  fetch(request) {
    if (request.headers.get('upgrade') !== 'websocket') {
      return new Response('Expected a WebSocket.', { status: 426 })
    }
    const [client, server] = Object.values(new WebSocketPair())
    server.accept()
    server.binaryType = 'arraybuffer'
    server.addEventListener('message', ({ data }) => {
      if (data === 'bye') server.close(4001, 'You said bye.')
      else if (typeof data === 'string') server.send(`echo: ${data}`)
      else server.send(new Uint8Array(data).reverse())
    })
    const [protocol] = (request.headers.get('sec-websocket-protocol') ?? '').split(', ')
    return new Response(null, {
      status: 101,
      webSocket: client,
      headers: protocol ? { 'sec-websocket-protocol': protocol } : {},
    })
  },
}
