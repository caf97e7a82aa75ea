import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { startLocalnet } from './startLocalnet.ts'
import { testChain } from './testing.ts'

const chain = testChain()
let url: string
beforeAll(async () => {
  url = (await chain()).rpcUrl
})

const JSON_TYPE = { 'content-type': 'application/json' }

async function post(body: string, headers: Record<string, string> = JSON_TYPE) {
  const response = await fetch(url, { method: 'POST', headers, body })
  const text = await response.text()
  return { status: response.status, answer: text ? JSON.parse(text) : undefined, response }
}

const chainId = (id?: unknown) => ({ jsonrpc: '2.0', method: 'eth_chainId', id })

describe('a request', () => {
  test('is answered under its own id, whatever that is', async () => {
    for (const id of [1, 'one', null])
      expect(await post(JSON.stringify(chainId(id)))).toMatchObject({
        status: 200,
        answer: { jsonrpc: '2.0', id, result: '0x539' },
      })
  })

  test('that is a notification is not answered', async () => {
    expect(await post(JSON.stringify(chainId()))).toMatchObject({ status: 204, answer: undefined })
  })

  test('that the chain refuses gets its error', async () => {
    const message = { ...chainId(1), method: 'eth_getBalance', params: ['nobody', 'latest'] }
    const { status, answer } = await post(JSON.stringify(message))
    expect(status).toBe(200)
    expect(answer).toMatchObject({ id: 1, error: { code: -32602 } })
  })

  test('that is not JSON is a bad one', async () => {
    for (const body of ['', '{', 'null null', '\u0000'])
      expect(await post(body)).toMatchObject({ status: 400, answer: { error: { code: -32700 } } })
  })

  test('of more than 1 MB is not read to its end', async () => {
    const body = JSON.stringify({ ...chainId(1), params: ['x'.repeat(1024 * 1024)] })
    expect(await post(body)).toMatchObject({ status: 413, answer: { error: { code: -32600 } } })
  })

  test('of any other kind gets an error, and never breaks the proxy', async () => {
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.record({ id: fc.jsonValue(), method: fc.jsonValue(), params: fc.jsonValue() }),
      fc.record({
        id: fc.integer(),
        method: fc.constantFrom(
          'eth_call',
          'eth_estimateGas',
          'eth_sendRawTransaction',
          '__proto__',
        ),
        params: fc.array(fc.jsonValue()),
      }),
    )
    await fc.assert(
      fc.asyncProperty(anything, async (message) => {
        const { status, answer } = await post(JSON.stringify(message))
        const isEmpty = Array.isArray(message) && message.length === 0
        expect(status).toBe(isEmpty ? 400 : 200)
        const answers = Array.isArray(message) && !isEmpty ? answer : [answer]
        for (const it of answers) expect('error' in it || 'result' in it).toBe(true)
      }),
      { numRuns: 200 },
    )
    expect((await post(JSON.stringify(chainId(1)))).answer.result).toBe('0x539')
  })
})

describe('a batch', () => {
  test('is answered in order, each for itself', async () => {
    const batch = [chainId(1), { ...chainId(2), method: 'evm_mine' }, 5, chainId(), chainId(3)]
    const { status, answer } = await post(JSON.stringify(batch))
    expect(status).toBe(200)
    expect(answer).toMatchObject([
      { id: 1, result: '0x539' },
      { id: 2, error: { code: -32601 } },
      { id: null, error: { code: -32600 } },
      { id: 3, result: '0x539' },
    ])
    expect(answer).toHaveLength(4)
  })

  test('has 1 to 100 requests', async () => {
    expect(await post('[]')).toMatchObject({ status: 400 })
    expect(await post(JSON.stringify(Array(101).fill(chainId(1))))).toMatchObject({ status: 400 })
    const { answer } = await post(JSON.stringify(Array(100).fill(chainId(1))))
    expect(answer).toHaveLength(100)
  })
})

describe('a page in a browser', () => {
  test('cannot send what a form can send', async () => {
    const body = JSON.stringify(chainId(1))
    expect(await post(body, { 'content-type': 'text/plain' })).toMatchObject({ status: 415 })
  })

  test('is not allowed anything by a preflight', async () => {
    const response = await fetch(url, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    })
    expect(response.status).toBe(405)
    const names = [...response.headers.keys()]
    expect(names.filter((it) => it.startsWith('access-control'))).toEqual([])
  })

  test('of a name that leads to 127.0.0.1 is sent away', async () => {
    const sent = request(url, { method: 'POST', headers: { ...JSON_TYPE, host: 'evil.example' } })
    sent.end(JSON.stringify(chainId(1)))
    const [response] = await once(sent, 'response')
    expect(response.statusCode).toBe(403)
    response.resume()
  })
})

test('only this machine reaches it', async () => {
  const { port } = new URL(url)
  const addresses = Object.values(networkInterfaces())
    .flatMap((it) => it ?? [])
    .filter((it) => !it.internal && it.family === 'IPv4')
  for (const { address } of addresses) {
    const socket = connect(Number(port), address)
    const [error] = await once(socket, 'error')
    expect(error.code).toBe('ECONNREFUSED')
  }
})

test('it stops although somebody is still in the middle of a request', async () => {
  const net = await startLocalnet()
  const socket = connect(Number(new URL(net.rpcUrl).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write('POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n')
  socket.write('content-length: 100\r\n\r\n{')
  const closed = new Promise((resolve) => socket.once('error', resolve).once('close', resolve))
  await net.stop()
  await closed
})
