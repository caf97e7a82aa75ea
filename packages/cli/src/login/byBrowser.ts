import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { JackError } from '@jackcloud/sdk'
import {
  type AuthorizationServer,
  asked,
  newProof,
  refusalOf,
  requestToken,
} from './AuthorizationServer.ts'

const waitMs = 600_000

/**
 * Signs in with the browser of this machine, which comes back to a server on loopback that is there for that alone
 * (RFC 8252). Answers a token.
 *
 * @param open gets the address that the person has to see
 */
export async function byBrowser(
  server: AuthorizationServer,
  open: (url: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const { verifier, challenge } = newProof()
  const state = randomBytes(16).toString('base64url')
  const listener = createServer()
  const timeout = AbortSignal.timeout(waitMs)
  try {
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening', { signal })
    const { port } = listener.address() as AddressInfo
    const redirect_uri = `http://127.0.0.1:${port}/callback`
    const back = comingBack(listener, { host: `127.0.0.1:${port}`, state, issuer: server.issuer })
    open(
      `${server.authorization_endpoint}?${new URLSearchParams({
        ...asked(server),
        response_type: 'code',
        redirect_uri,
        state,
        code_challenge: challenge,
        code_challenge_method: 'S256',
      })}`,
    )
    const { answer, res } = await before(back, AbortSignal.any([signal, timeout]))
    try {
      const code = answer.get('code')
      if (!code || answer.has('error')) throw refusalOf(Object.fromEntries(answer))
      const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri }
      const token = await requestToken(server, form, signal)
      await say(res, 200, 'You are signed in. You can close this page and go back to the terminal.')
      return token
    } catch (error) {
      await say(res, 400, 'This did not work. The terminal says why; you can close this page.')
      throw error
    }
  } catch (error) {
    if (!timeout.aborted) throw error
    throw new JackError('timeout', 'Nobody signed in within ten minutes.', {
      next: [{ command: 'jack login', when: 'to try again' }],
    })
  } finally {
    listener.closeAllConnections()
    listener.close()
  }
}

/**
 * Waits for the browser to come back with the answer to what was asked here: with our `state`, and from the cloud that was
 * asked (RFC 9207). Anything else that some page sends here is turned away, and the wait goes on.
 */
function comingBack(
  listener: ReturnType<typeof createServer>,
  expected: { host: string; state: string; issuer: string },
): Promise<{ answer: URLSearchParams; res: ServerResponse }> {
  return new Promise((resolve) => {
    listener.on('request', (req, res) => {
      const { pathname, searchParams: answer } = new URL(req.url ?? '/', 'http://127.0.0.1')
      const isOurs =
        req.method === 'GET' &&
        pathname === '/callback' &&
        req.headers.host === expected.host &&
        answer.get('state') === expected.state &&
        answer.get('iss') === expected.issuer
      if (isOurs) resolve({ answer, res })
      else void say(res, pathname === '/callback' ? 400 : 404, 'This is not what was asked here.')
    })
  })
}

/** A page in plain words. Resolves when it is sent, or nobody wants it any more. */
function say(res: ServerResponse, status: number, sentence: string): Promise<unknown> {
  const closed = new Promise((resolve) => res.once('close', resolve))
  res.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
    'referrer-policy': 'no-referrer',
    connection: 'close',
  })
  res.end(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Jack</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<body style="font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem"><p>${sentence}</p>`)
  return closed
}

const before = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  Promise.race([
    work,
    new Promise<never>((_, reject) => {
      signal.throwIfAborted()
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    }),
  ])
