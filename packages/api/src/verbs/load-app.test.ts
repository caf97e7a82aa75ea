import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(() => cloud.close())

test('an app reaches the hosts of its own version', async () => {
  const files = (config: object) => ({
    'jack.json': JSON.stringify(config),
    'index.ts': `export default { async fetch() {
      try { return new Response(await (await fetch('http://127.0.0.1:1/')).text()) } catch (e) { return new Response(e.message) } } }`,
  })
  const said = async (config: object) => {
    const { status, json } = await cloud.api('POST', '/deploy', {
      name: 'out',
      files: files(config),
    })
    expect(status, JSON.stringify(json)).toBe(201)
    return (await cloud.live(json.url)).text
  }
  expect(await said({})).toBe('127.0.0.1 is not a public address: apps reach only those.\n')
  expect(await said({ egress: ['api.example.com', '*.example.org:8443'] })).toBe(
    '127.0.0.1:1 is not among the hosts that this app may reach. Add it to "egress" in jack.json and deploy again.\n',
  )
  expect(await said({ egress: [] })).toMatch(/no access to the network/)
})
