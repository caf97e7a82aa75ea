import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { testCloud } from '../testing/cloud.ts'
import { serveMetrics } from './metrics.ts'

test('metrics are for the operator: on a listener of their own, not on the public one', async () => {
  const cloud = await testCloud()
  const server = await serveMetrics(cloud.jack, 0)
  try {
    const files = { 'index.ts': 'export default { fetch: () => new Response("counted") }' }
    const { json } = await cloud.api('POST', '/deploy', { name: 'counted', files })
    await cloud.live(json.url)
    const { port, address } = server.address() as AddressInfo
    expect(address).toBe('127.0.0.1')
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    expect(metrics).toMatch(/^jack_apps_running 1$/m)
    expect(metrics).toMatch(/^jack_apps_requests_total 1$/m)
    expect(metrics).toMatch(/^jack_process_resident_memory_bytes \d/m)
    expect((await fetch(`${cloud.url}/metrics`)).status).toBe(404)
  } finally {
    server.close()
    server.closeAllConnections()
    await cloud.close()
  }
})
