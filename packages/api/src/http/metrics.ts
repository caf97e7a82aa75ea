import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Jack } from '../jack.ts'

/** Prometheus metrics on a loopback listener of their own: for the operator, never on the public one. */
export async function serveMetrics(jack: Jack, port: number): Promise<Server> {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'jack_' })
  new Gauge({
    name: 'jack_apps_running',
    help: 'Versions of apps that have a process now',
    registers: [registry],
    collect() {
      this.set(jack.engine.running().length)
    },
  })
  new Gauge({
    name: 'jack_app_requests_in_flight',
    help: 'Requests that apps are answering now',
    registers: [registry],
    collect() {
      this.set(jack.engine.running().reduce((sum, app) => sum + app.requests, 0))
    },
  })
  for (const name of ['requests', 'errors', 'cpu_ms'] as const) {
    new Gauge({
      name: `jack_apps_${name}_total`,
      help: `${name} of all apps since this process started`,
      registers: [registry],
      collect() {
        const { requests, errors, cpuUs } = jack.recorder.meter.total
        this.set({ requests, errors, cpu_ms: cpuUs / 1_000 }[name])
      },
    })
  }
  const server = createServer(async (req, res) => {
    if (req.url !== '/metrics') {
      res.writeHead(404).end()
      return
    }
    res.writeHead(200, { 'content-type': registry.contentType }).end(await registry.metrics())
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}
