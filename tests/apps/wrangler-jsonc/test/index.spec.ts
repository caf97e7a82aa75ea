import { SELF } from 'cloudflare:test'
import { expect, it } from 'vitest'

it('greets', async () => {
  const response = await SELF.fetch('https://example.com/message')
  expect(await response.text()).toContain('Good day')
})
