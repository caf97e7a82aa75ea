import { DurableObject } from 'cloudflare:workers'

interface Env {
  ROOMS: DurableObjectNamespace<Room>
}

interface Message {
  at: string
  text: string
}

const KEPT = 50
const LONGEST = 1_000

export default {
  fetch(request: Request, env: Env): Response | Promise<Response> {
    const [, name] = /^\/rooms\/([\w-]{1,50})$/.exec(new URL(request.url).pathname) ?? []
    if (name === undefined) return new Response('Not found\n', { status: 404 })
    if (request.headers.get('upgrade') !== 'websocket')
      return new Response('A room is a WebSocket.\n', { status: 426 })
    return env.ROOMS.getByName(name).fetch(request)
  },
}

/** Everybody in a room hears everything, and who comes later what was said last. */
export class Room extends DurableObject<Env> {
  async fetch(): Promise<Response> {
    const { 0: client, 1: server } = new WebSocketPair()
    this.ctx.acceptWebSocket(server)
    for (const message of await this.messages()) server.send(JSON.stringify(message))
    return new Response(null, { status: 101, webSocket: client })
  }

  async webSocketMessage(_from: WebSocket, data: string | ArrayBuffer): Promise<void> {
    if (typeof data !== 'string' || data.length > LONGEST) return
    const message: Message = { at: new Date().toISOString(), text: data }
    await this.ctx.storage.put('messages', [...(await this.messages()), message].slice(-KEPT))
    for (const socket of this.ctx.getWebSockets()) socket.send(JSON.stringify(message))
  }

  private async messages(): Promise<Message[]> {
    return (await this.ctx.storage.get<Message[]>('messages')) ?? []
  }
}
