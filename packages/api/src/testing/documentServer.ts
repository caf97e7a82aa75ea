import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Answer = (req: IncomingMessage, res: ServerResponse) => void

/** A server of documents about clients, with a certificate of its own, at a name that stands for this machine. */
export async function documentServer(answer: Answer) {
  const folder = mkdtempSync(join(tmpdir(), 'jack-client-'))
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1'
  const names = ['-subj', '/CN=client.example', '-addext', 'subjectAltName=DNS:client.example']
  const files = ['-keyout', keyFile, '-out', certFile]
  execFileSync('openssl', [...request.split(' '), ...names, ...files], { stdio: 'ignore' })
  const ca = readFileSync(certFile, 'utf8')
  const server = createServer({ key: readFileSync(keyFile), cert: ca }, answer)
  rmSync(folder, { recursive: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `https://client.example:${(server.address() as AddressInfo).port}`,
    ca,
    /** As if every name stood for this machine. */
    addressesOf: async () => [{ address: '127.0.0.1', family: 4 }],
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

export const sendJson = (res: ServerResponse, value: unknown) =>
  res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
