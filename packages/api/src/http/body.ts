import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import { JackError } from '../Errors.ts'
import type { Door } from './Door.ts'

/** The body of a request as text. Throws `body_too_large` as soon as it is, `invalid_request` when it is not UTF-8. */
export async function readText(c: Context<Door>, maxBytes: number): Promise<string> {
  if (Number(c.req.header('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  try {
    for await (const chunk of c.env.body) {
      sizeBytes += chunk.length
      if (sizeBytes > maxBytes) throw tooLarge(maxBytes)
      chunks.push(chunk)
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch (cause) {
    if (cause instanceof JackError) throw cause
    throw new JackError('invalid_request', 'The body broke off or is not UTF-8.', { cause })
  }
}

/** Whether a request has a body, as far as its head tells (RFC 9112, section 6.3). */
export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

const tooLarge = (maxBytes: number) =>
  new JackError('body_too_large', `A request body can have ${maxBytes} bytes.`, {
    hint: 'Upload large programs and static files with the CLI or the SDK.',
  })
