import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect } from 'vitest'
import type { TestCloud } from '../../testing/cloud.ts'

/** Deploys sources under a name and answers the live URL's host. */
export async function deployed(
  cloud: TestCloud,
  name: string,
  handler: string,
  more: object = {},
): Promise<string> {
  const files = { 'index.ts': `export default { async fetch(request, env, ctx) { ${handler} } }` }
  const { status, json } = await cloud.api('POST', '/deploy', { name, files, ...more })
  expect(status, JSON.stringify(json)).toBe(201)
  return new URL(json.url).host
}

export const portOf = (cloud: TestCloud): number => Number(new URL(cloud.url).port)

/** A connection without any client library, and all that came out of it so far. */
export async function dial(cloud: TestCloud): Promise<{ socket: Socket; text(): string }> {
  const socket = connect(portOf(cloud), '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.on('error', () => {})
  await once(socket, 'connect')
  return { socket, text: () => Buffer.concat(chunks).toString('latin1') }
}

/** Sends bytes as they are and answers everything that comes back until the server closes. */
export async function exchange(cloud: TestCloud, text: string): Promise<string> {
  const { socket, text: answer } = await dial(cloud)
  socket.write(Buffer.from(text, 'latin1'))
  if (!socket.closed) await once(socket, 'close')
  return answer()
}

/** How many answers are in what came back, and their statuses. */
export const statusesIn = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((it) => Number(it[1]))

export const openRequests = (cloud: TestCloud): number =>
  cloud.jack.engine.running().reduce((sum, it) => sum + it.requests, 0)
