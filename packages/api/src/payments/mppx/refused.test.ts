import { createClient, http } from 'viem'
import { getBlock } from 'viem/actions'
import { expect, test } from 'vitest'
import { guarded } from './refused.ts'

/** What comes of a question to a node that answers so. */
async function answerTo(response: () => Response): Promise<unknown> {
  const transport = http('http://node/key-of-ours', {
    fetchFn: async () => response(),
    retryCount: 0,
  })
  const port = guarded({ ask: () => getBlock(createClient({ transport })) })
  return port.ask().catch((error) => error)
}

const failure = (code: number, message: string) => () =>
  Response.json({ jsonrpc: '2.0', id: 1, error: { code, message } })

test.each([
  ['is not there', () => Promise.reject(new Error('fetch failed')) as never],
  ['has nobody behind it', () => new Response('Bad gateway', { status: 502 })],
  ['is in trouble', failure(-32603, 'The local chain does not answer.')],
  ['is asked too often', failure(-32005, 'One moment.')],
])('a node that %s may answer later', async (_, response) => {
  const error = await answerTo(response)
  expect(error).toMatchObject({ code: 'unavailable', retryAfterSeconds: 2 })
  expect(String((error as Error).cause)).not.toContain('key-of-ours')
})

test('what a node says no to is an error of ours, and can be logged', async () => {
  const error = await answerTo(failure(-32602, 'No such block.'))
  expect(String(error)).toContain('No such block.')
  expect(JSON.stringify(error) + (error as Error).stack).not.toContain('key-of-ours')
  expect(error).not.toHaveProperty('code')
})
