import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type LiveVersion, limits } from '@jackcloud/sdk/wire'
import { workerFirst } from '../Assets.ts'
import { type Deployment, versionParts } from '../Deployment.ts'
import { diskFull } from '../Disk.ts'
import { JackError } from '../Errors.ts'
import { type Lease, Moved } from '../engine/Engine.ts'
import { parseHost } from '../Host.ts'
import { isPayment } from '../http/authenticate.ts'
import type { Jack } from '../jack.ts'
import { endsSoon } from '../Project.ts'
import type { Route } from '../Route.ts'
import { databaseGone } from '../store/database.ts'
import { loadApp } from '../verbs/load-app.ts'
import { AssetServer } from './assets.ts'
import { bodyTooLarge, type Caller, type Client, forward } from './forward.ts'
import { fundHere, waitsForMoney } from './fundHere.ts'
import { Occupancy } from './occupancy.ts'
import { refusalOf } from './refusal.ts'
import { acknowledge, refuse, refuseSocket } from './refuse.ts'
import type { Found, Routes } from './routes.ts'
import { type ServiceCall, ServiceCalls } from './serviceCalls.ts'
import { joinSockets } from './upgrade.ts'

/** Answers requests on live URLs: find what the host leads to, check that it may run, forward, count. */
export class Gateway {
  readonly #jack: Jack
  readonly #routes: Routes
  readonly #assets: AssetServer
  readonly #calls = new ServiceCalls()
  readonly #occupancy = new Occupancy()
  readonly #parts = new WeakMap<Deployment, LiveVersion['parts']>()

  constructor(jack: Jack, routes: Routes) {
    this.#jack = jack
    this.#routes = routes
    this.#assets = new AssetServer(jack.blobs)
  }

  /** Whether a request is for a live URL, not for the API. */
  owns(req: IncomingMessage): boolean {
    return parseHost(req.headers.host, this.#jack.config.domain).kind !== 'api'
  }

  async handle(req: IncomingMessage, res: ServerResponse, client: Client | Caller): Promise<void> {
    const requestId = this.#jack.newId('req')
    let found: Found
    try {
      found = await this.#find(req, client)
    } catch (error) {
      return this.#fail(req, res, requestId, error)
    }
    let challenges: string[] = []
    if (waitsForMoney(found) && !('service' in client)) {
      try {
        const funded = await fundHere(this.#jack, req, found.project, client.address)
        if ('managed' in funded) return acknowledge(req, res, requestId, funded.receipt)
        if ('paid' in funded) {
          res.setHeader('payment-receipt', funded.receipt)
          found = await this.#find(req, client)
        } else {
          challenges = funded.challenges
          if (funded.refused) {
            const { code, message, hint, type } = funded.refused
            return refuse(req, res, requestId, code, message, hint, { type }, challenges)
          }
        }
      } catch (error) {
        return this.#fail(req, res, requestId, error)
      }
    }
    this.#keepToOurselves(req)
    const now = this.#jack.now()
    const refusal = refusalOf(found, now)
    if (refusal) {
      const { code, message, hint, fields } = refusal
      return refuse(req, res, requestId, code, message, hint, fields, challenges)
    }
    const route = found as Route
    const startedAt = performance.now()
    const { expiresAt } = route.project
    if (expiresAt && endsSoon(route.project, now))
      res.setHeader('x-jack-expires-at', expiresAt.toISOString())
    let failed = true
    let leave: (() => void) | undefined
    try {
      if (pathOf(req) !== '/.well-known/jack')
        leave = this.#occupancy.enter(route.project.projectId, 'requests')
      failed = (await this.#answer(route, req, res, client, requestId)) >= 500
    } catch (error) {
      this.#fail(req, res, requestId, error, route)
    } finally {
      leave?.()
      const durationMs = performance.now() - startedAt
      this.#jack.recorder.request(route.project.projectId, { failed, durationMs })
    }
  }

  async upgrade(
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    client: Client | Caller,
  ): Promise<void> {
    const requestId = this.#jack.newId('req')
    socket.on('error', () => socket.destroy())
    this.#keepToOurselves(req)
    const found = await this.#find(req, client)
    const refusal = refusalOf(found, this.#jack.now())
    const route = found as Route
    if (refusal) return refuseSocket(socket, requestId, refusal.code, refusal.message)
    const isWebSocket = req.method === 'GET' && req.headers.upgrade?.toLowerCase() === 'websocket'
    if (!route.deployment.version.main || !isWebSocket)
      return refuseSocket(
        socket,
        requestId,
        'invalid_request',
        'No WebSocket begins like this here.',
      )
    const { projectId } = route.project
    let lease: Lease | undefined
    let leave: (() => void) | undefined
    try {
      leave = this.#occupancy.enter(projectId, 'sockets')
      ;[, lease] = await this.#open(req, client, route)
      await joinSockets(req, socket, head, lease, client, requestId)
      this.#jack.recorder.request(projectId, { failed: false, durationMs: null })
    } catch (error) {
      this.#jack.log.warn({ err: error, requestId, ...about(route) }, 'upgrade failed')
      const { code, message } =
        error instanceof JackError ? error : new JackError('app_failed', 'The app did not answer.')
      refuseSocket(socket, requestId, code, message)
      this.#jack.recorder.request(projectId, { failed: true, durationMs: null })
    } finally {
      lease?.release()
      leave?.()
    }
  }

  #fail(
    req: IncomingMessage,
    res: ServerResponse,
    requestId: string,
    error: unknown,
    route?: Route,
  ): void {
    const known = error instanceof JackError ? error : (databaseGone(error) ?? diskFull(error))
    if (known !== error)
      this.#jack.log.error({ err: error, requestId, ...(route && about(route)) }, 'gateway')
    const { code, message, hint } =
      known ?? new JackError('internal', 'The request could not be answered.')
    refuse(req, res, requestId, code, message, hint)
  }

  /** Answers a request that an app makes to its own static files, through its assets binding. */
  async serveBinding(
    deploymentId: string,
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<void> {
    const found = await this.#routes.find({ kind: 'deployment', deploymentId })
    const path = pathOf(req)
    const assets = found?.deployment ? found.assets : null
    const asked = { standIn: true, requestId: this.#jack.newId('req') }
    if (assets && (await this.#assets.serve(assets, path, req, res, asked))) return
    refuse(req, res, asked.requestId, 'not_found', `There is no static file at ${path}.`)
  }

  /** Answers a request that an app makes to another project of its account, through a service binding. */
  async serveService(call: ServiceCall, req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      await this.#calls.during(call, req, (caller) => this.handle(req, res, caller))
    } catch (error) {
      this.#fail(req, res, this.#jack.newId('req'), error)
    }
  }

  /** The same for a WebSocket. */
  async upgradeService(
    call: ServiceCall,
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> {
    try {
      await this.#calls.during(call, req, (caller) => this.upgrade(req, socket, head, caller))
    } catch (error) {
      const { code, message } =
        error instanceof JackError ? error : new JackError('internal', 'The call failed.')
      refuseSocket(socket, this.#jack.newId('req'), code, message)
    }
  }

  /** What pays us is not for the app: it could buy for itself with a voucher. A payment that the app asked for goes on. */
  #keepToOurselves(req: IncomingMessage): void {
    const { authorization } = req.headers
    if (authorization && isPayment(authorization) && this.#jack.payments?.isOurs(authorization))
      forgetAuthorization(req)
  }

  async #find(req: IncomingMessage, client: Client | Caller): Promise<Found> {
    if (!('service' in client))
      return this.#routes.find(parseHost(req.headers.host, this.#jack.config.domain))
    const { accountId, service: name } = client
    const found = await this.#routes.find({ kind: 'service', accountId, name })
    if (found) return found
    throw new JackError('not_found', `This account has no project "${name}".`, {
      hint: 'A service binding names a project of the same account. Deploy that one first.',
    })
  }

  /** Answers with the status that went out. */
  async #answer(
    route: Route,
    req: IncomingMessage,
    res: ServerResponse,
    client: Client | Caller,
    requestId: string,
  ): Promise<number> {
    const path = pathOf(req)
    if (path === '/.well-known/jack') return this.#describe(route, req, res, requestId)
    const { assets, deployment } = route
    const hasWorker = deployment.version.main !== null
    if (assets && !(hasWorker && workerFirst(assets, path))) {
      const asked = { standIn: !hasWorker || isNavigation(req), requestId }
      if (await this.#assets.serve(assets, path, req, res, asked)) return res.statusCode
    }
    if (!hasWorker) {
      refuse(req, res, requestId, 'not_found', `There is nothing at ${path}.`)
      return 404
    }
    if (Number(req.headers['content-length'] ?? 0) > limits.hosting.requestBodyBytes) {
      throw bodyTooLarge()
    }
    return this.#forward(route, req, res, client, requestId)
  }

  async #forward(
    found: Route,
    req: IncomingMessage,
    res: ServerResponse,
    client: Client | Caller,
    requestId: string,
  ): Promise<number> {
    const [route, lease] = await this.#open(req, client, found)
    try {
      const { complete, error } = await forward(req, res, lease, client, requestId, {
        'x-request-id': requestId,
        'x-jack-deployment': route.deployment.deploymentId,
      })
      if (error instanceof JackError) throw error
      if (error) {
        throw new JackError('app_failed', 'The app ended before it answered.', {
          hint: 'Its logs say why: jack logs',
          cause: error,
        })
      }
      return complete || res.headersSent ? res.statusCode : 499
    } finally {
      lease.release()
    }
  }

  /** Where the request leads and a lease there; looks again when another version got the project's data meanwhile. */
  async #open(
    req: IncomingMessage,
    client: Client | Caller,
    route: Route,
  ): Promise<[Route, Lease]> {
    for (let tries = 0; tries < MOVES; tries++) {
      const { project, deployment } = route
      const name = { deploymentId: deployment.deploymentId, revision: project.envRevision }
      try {
        const lease = await this.#jack.engine.open(name, () =>
          loadApp(this.#jack, project, deployment),
        )
        return [route, lease]
      } catch (error) {
        if (!(error instanceof Moved)) throw error
        const found = await this.#find(req, client)
        const refusal = refusalOf(found, this.#jack.now())
        if (refusal) throw refusal
        route = found as Route
      }
    }
    throw new JackError('unavailable', 'The app is being replaced.', { retryAfterSeconds: 1 })
  }

  /** What every live URL tells about itself. */
  #describe(
    { project, deployment }: Route,
    req: IncomingMessage,
    res: ServerResponse,
    requestId: string,
  ): number {
    const body = JSON.stringify({
      deployment_id: deployment.deploymentId,
      digest: deployment.digest,
      parts: this.#partsOf(deployment),
      deployed_at: deployment.createdAt.toISOString(),
      live: project.liveDeploymentId === deployment.deploymentId,
      expires_at: project.expiresAt?.toISOString() ?? null,
      limits: {
        cpu_ms_limit: limits.hosting.requestCpuMs,
        memory_mb_limit: limits.hosting.memoryMb,
        request_body_bytes_limit: limits.hosting.requestBodyBytes,
        requests_at_once_limit: limits.hosting.requestsAtOnce,
        websockets_at_once_limit: limits.hosting.socketsAtOnce,
      },
    } satisfies LiveVersion)
    res.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      'access-control-allow-origin': '*',
      'x-request-id': requestId,
    })
    res.end(req.method === 'HEAD' ? undefined : body)
    return 200
  }

  /** Digests of a version's parts; made once while its route is remembered. */
  #partsOf(deployment: Deployment): LiveVersion['parts'] {
    const known = this.#parts.get(deployment)
    if (known) return known
    const { code, assets, settings } = versionParts(deployment.version)
    const { sha256 } = this.#jack
    const parts = { code: sha256(code), assets: sha256(assets), settings: sha256(settings) }
    this.#parts.set(deployment, parts)
    return parts
  }
}

/** How often a request may find that the version it was led to was replaced. */
const MOVES = 5

/** It was for us, and is none of the app's business. */
function forgetAuthorization(req: IncomingMessage): void {
  delete req.headers.authorization
  for (let i = req.rawHeaders.length - 2; i >= 0; i -= 2) {
    if (req.rawHeaders[i]?.toLowerCase() === 'authorization') req.rawHeaders.splice(i, 2)
  }
}

const pathOf = (req: IncomingMessage): string => (req.url as string).split('?', 1)[0] as string

/** A browser that opens a page, not one that fetches data: only then does a page stand in for a missing file. */
const isNavigation = (req: IncomingMessage): boolean => req.headers['sec-fetch-mode'] === 'navigate'

const about = ({ project, deployment }: Route) => ({
  projectId: project.projectId,
  deploymentId: deployment.deploymentId,
})
