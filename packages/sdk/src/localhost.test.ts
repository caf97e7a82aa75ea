import { expect, test } from 'vitest'
import { fakeServer } from './fakeServer.test.support.ts'
import { createJack, localFetch } from './node.ts'

test('every name under localhost is this machine', async () => {
  await using app = await fakeServer(({ headers }) => ({ body: { host: headers.host } }))
  const { port } = new URL(app.url)
  const url = `http://brave-otter-api.localhost:${port}/`
  expect(await (await localFetch(url, {})).json()).toEqual({
    host: `brave-otter-api.localhost:${port}`,
  })
  const jack = createJack({ url: `http://jack.localhost:${port}` })
  expect(await jack.me()).toEqual({ host: `jack.localhost:${port}` })
})
