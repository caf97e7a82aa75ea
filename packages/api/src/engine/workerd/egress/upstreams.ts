import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContext } from 'node:tls'
import type { Addresses } from './addresses.ts'
import { endToEnd } from './headers.ts'
import type { Target } from './policy.ts'
import { Refusal } from './refusal.ts'

const CONNECT_MS = 10_000
/** The longest silence in either direction that is taken for a pause. */
const SILENCE_MS = 300_000
/** Shorter than servers commonly keep a connection, so that few requests meet one that is just being closed. */
const IDLE_MS = 4_000
const MOST_IDLE = 32
const MAX_HEADER_BYTES = 65_536

/** The connections of one app to the servers it asks; shared with no other app. */
export class Upstreams {
  readonly #addresses: Addresses
  readonly #plain: Agent
  readonly #secure: SecureAgent

  constructor(addresses: Addresses, secureContext: SecureContext) {
    this.#addresses = addresses
    const keep = { keepAlive: true, timeout: IDLE_MS, scheduling: 'lifo' as const }
    this.#plain = new Agent(keep)
    this.#secure = new SecureAgent({ ...keep, secureContext })
    for (const agent of [this.#plain, this.#secure]) {
      const keepSocketAlive = agent.keepSocketAlive.bind(agent) as (socket: Duplex) => boolean
      agent.keepSocketAlive = (socket) => this.#idle() < MOST_IDLE && keepSocketAlive(socket)
    }
  }

  /** Checks a target that is an address: it needs no lookup, so nobody else would. Throws a refusal. */
  async check({ host, port }: Target): Promise<void> {
    if (isIP(host)) await this.#addresses.find(host, port)
  }

  /**
   * A request to a checked target, with the method and headers of the app's, whose body is not sent yet. The connection
   * goes to an address that was checked, by whatever name. It fails with a refusal, or with what went wrong.
   *
   * @param connected called when there is somebody to send it to
   */
  request(
    target: Target,
    incoming: IncomingMessage,
    connected: () => void,
    upgrade = false,
  ): ClientRequest {
    const { secure, host, port } = target
    const lookup: LookupFunction = (_name, _options, found) =>
      this.#addresses.find(host, port).then(
        (addresses) => found(null, addresses),
        (error: Error) => found(error, []),
      )
    const framing = incoming.headers['transfer-encoding'] ? ['transfer-encoding', 'chunked'] : []
    const upstream = (secure ? secureRequest : request)({
      agent: secure ? this.#secure : this.#plain,
      host,
      port,
      lookup,
      path: target.path,
      method: incoming.method,
      headers: [
        'host',
        target.authority,
        ...endToEnd(incoming),
        ...(upgrade ? ['connection', 'Upgrade', 'upgrade', 'websocket'] : framing),
      ],
      maxHeaderSize: MAX_HEADER_BYTES,
      timeout: SILENCE_MS,
      ...(secure && !isIP(host) ? { servername: host } : {}),
    })
    const slow = setTimeout(
      () => upstream.destroy(new Refusal(504, `${target.authority} takes no connection.`)),
      CONNECT_MS,
    )
    upstream.once('socket', (socket: Socket) => {
      const ready = () => {
        clearTimeout(slow)
        connected()
      }
      if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', ready)
      else ready()
    })
    upstream.once('close', () => clearTimeout(slow))
    upstream.once('timeout', () =>
      upstream.destroy(new Refusal(504, `${target.authority} was silent for five minutes.`)),
    )
    return upstream
  }

  end(): void {
    this.#plain.destroy()
    this.#secure.destroy()
  }

  #idle(): number {
    return [this.#plain, this.#secure]
      .flatMap(({ freeSockets }) => Object.values(freeSockets))
      .reduce((sum, sockets) => sum + (sockets?.length ?? 0), 0)
  }
}
