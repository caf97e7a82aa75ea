import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Answer, documentServer, sendJson } from '../testing/documentServer.ts'
import { ClientDocuments } from './ClientDocuments.ts'

let server: Awaited<ReturnType<typeof documentServer>>
let ca: string
let origin: string
let answer: Answer
let asked: string[] = []

beforeAll(async () => {
  server = await documentServer((req, res) => {
    asked.push(`${req.headers.host}${req.url}`)
    answer(req, res)
  })
  ;({ ca, origin } = server)
})
afterAll(() => server.close())
beforeEach(() => {
  asked = []
  answer = (req, res) => sendJson(res, documentOf(`${origin}${req.url}`))
})

const documentOf = (client_id: string, changes: object = {}) => ({
  client_id,
  client_name: 'A client',
  redirect_uris: ['http://127.0.0.1/callback'],
  ...changes,
})

/** Finds clients in a world where names stand for loopback, which is what is to be reached here. */
const here = () => new ClientDocuments(server)

test('a client is known by the address of its metadata, and its host vouches for it', async () => {
  const url = `${origin}/client.json`
  expect(await here().find(url)).toEqual({
    clientId: url,
    name: 'A client',
    host: new URL(url).host,
    redirectUris: ['http://127.0.0.1/callback'],
  })
  expect(asked).toEqual([`${new URL(url).host}/client.json`])
})

test('a document is asked for once in a while, also by many at once, and one that is not there too', async () => {
  const documents = here()
  await Promise.all(Array.from({ length: 5 }, () => documents.find(`${origin}/a.json`)))
  await documents.find(`${origin}/a.json`)
  expect(asked).toHaveLength(1)
  answer = (_req, res) => res.writeHead(404).end()
  expect(await documents.find(`${origin}/b.json`)).toBeUndefined()
  expect(await documents.find(`${origin}/b.json`)).toBeUndefined()
  expect(asked).toHaveLength(2)
})

test('only a document that is about itself, of a client without a secret, is believed', async () => {
  for (const changes of [
    { client_id: `${origin}/other.json` },
    { client_id: undefined },
    { redirect_uris: [] },
    { redirect_uris: ['javascript:alert(1)'] },
    { redirect_uris: ['https://a.example/#x'] },
    { token_endpoint_auth_method: 'client_secret_basic' },
    { token_endpoint_auth_method: 'private_key_jwt' },
  ]) {
    answer = (req, res) => sendJson(res, documentOf(`${origin}${req.url}`, changes))
    expect(await here().find(`${origin}/client.json`)).toBeUndefined()
  }
  expect(asked).toHaveLength(7)
})

test('what is too long, no JSON, an error or a redirect is no document, and the redirect is not followed', async () => {
  const answers: Answer[] = [
    (req, res) => sendJson(res, documentOf(`${origin}${req.url}`, { padding: 'x'.repeat(5_120) })),
    (req, res) => {
      res.writeHead(200, { 'content-type': 'application/json' })
      res.write(JSON.stringify(documentOf(`${origin}${req.url}`)))
      const more = setInterval(() => res.write(' '.repeat(1_024)), 1)
      res.on('close', () => clearInterval(more))
    },
    (req, res) =>
      res
        .writeHead(200, { 'content-type': 'text/html' })
        .end(JSON.stringify(documentOf(`${origin}${req.url}`))),
    (_req, res) => res.writeHead(200, { 'content-type': 'application/json' }).end('null'),
    (_req, res) => res.writeHead(200, { 'content-type': 'application/json' }).end('{'),
    (_req, res) => res.writeHead(302, { location: `${origin}/elsewhere.json` }).end(),
    (_req, res) => res.writeHead(500).end(),
    (_req, res) => res.destroy(),
  ]
  for (const it of answers) {
    answer = it
    expect(await here().find(`${origin}/client.json`)).toBeUndefined()
  }
  expect(asked.some((it) => it.includes('elsewhere'))).toBe(false)
})

test('a server that does not answer is not waited for', async () => {
  answer = () => {}
  expect(await here().find(`${origin}/client.json`)).toBeUndefined()
  expect(asked).toHaveLength(1)
})

test('a certificate of somebody else is not taken', async () => {
  const documents = new ClientDocuments({ addressesOf: server.addressesOf })
  expect(await documents.find(`${origin}/client.json`)).toBeUndefined()
  expect(asked).toEqual([])
})

test('SSRF: nothing is sent to an address that is not out on the internet, however it is written', async () => {
  const { port } = new URL(origin)
  const documents = new ClientDocuments({ ca })
  for (const host of [
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0.0.0.0',
    'localhost',
    'app.localhost',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '169.254.169.254',
    '[fe80::1]',
    '[fd00::1]',
    '10.0.0.1',
    '192.168.0.1',
    '100.64.0.1',
  ])
    expect([host, await documents.find(`https://${host}:${port}/client.json`)]).toEqual([
      host,
      undefined,
    ])
  expect(asked).toEqual([])
})

test('SSRF: a name that changes its address is asked for it once, and reached there', async () => {
  let looked = 0
  const documents = new ClientDocuments({
    ca,
    addressesOf: async () => {
      looked++
      return [{ address: looked === 1 ? '127.0.0.1' : '169.254.169.254', family: 4 }]
    },
  })
  expect(await documents.find(`${origin}/client.json`)).toMatchObject({ name: 'A client' })
  expect([looked, asked.length]).toEqual([1, 1])
})

test('an id that is written like no address of a document is fetched from nowhere', async () => {
  let looked = 0
  const documents = new ClientDocuments({
    ca,
    addressesOf: async () => {
      looked++
      return [{ address: '127.0.0.1', family: 4 }]
    },
  })
  for (const id of [
    origin.replace('https', 'http').concat('/client.json'),
    `${origin}/`,
    origin,
    `${origin}/a/../client.json`,
    `${origin}/client.json#x`,
    `https://user:secret@${origin.slice(8)}/client.json`,
    `${origin.toUpperCase()}/client.json`,
    `${origin}/${'x'.repeat(300)}`,
    'cli_01',
    '',
  ])
    expect([id, await documents.find(id)]).toEqual([id, undefined])
  expect([looked, asked]).toEqual([0, []])
})
