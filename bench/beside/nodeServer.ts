import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

// Run as a process: the least that a Node server can do.
const server = createServer((_req, res) => {
  res.writeHead(200, { 'content-type': 'text/plain;charset=UTF-8' }).end('hello')
})
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
