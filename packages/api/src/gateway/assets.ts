import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { LRUCache } from 'lru-cache'
import mime from 'mime'
import { type AssetIndex, answerAsset, applyHeaderRules } from '../Assets.ts'
import type { Blobs } from '../store/blobs.ts'
import { refuse } from './refuse.ts'

type Encoding = 'br' | 'gzip' | 'identity'
type Headers = Record<string, string | number | string[]>
/** Applies the site's own rules to the headers of an answer. */
type Decorate = (headers: Headers) => Headers

const compress = {
  br: (bytes: Buffer) =>
    promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }),
  gzip: (bytes: Buffer) => promisify(gzip)(bytes, { level: 6 }),
}

/** Larger files are streamed from disk as they are. */
const inMemoryBytes = 2 * 1_048_576
const compressible =
  /^(text\/|application\/(json|javascript|xml|wasm|manifest|.*\+(json|xml))|image\/svg)/

/**
 * Serves static files out of the blobs: type by extension, ETag by content, compressed, ranges, conditional requests.
 */
export class AssetServer {
  readonly #blobs: Blobs
  readonly #memory = new LRUCache<string, Buffer>({
    maxSize: 96 * 1_048_576,
    sizeCalculation: (bytes) => bytes.length + 64,
    fetchMethod: (key) => this.#make(key),
  })

  constructor(blobs: Blobs) {
    this.#blobs = blobs
  }

  /** Answers when there is a file for the path, or one that stands in for a missing one. False: not answered. */
  async serve(
    assets: AssetIndex,
    path: string,
    req: IncomingMessage,
    res: ServerResponse,
    { standIn, requestId }: { standIn: boolean; requestId: string },
  ): Promise<boolean> {
    const reading = req.method === 'GET' || req.method === 'HEAD'
    const answer = answerAsset(assets, path, { standIn, reading })
    if (answer.kind === 'none') return false
    const decorate: Decorate = (headers) => {
      applyHeaderRules(assets, req.headers.host ?? '', path, headers)
      return headers
    }
    res.setHeader('x-request-id', requestId)
    if (answer.kind === 'lost')
      refuse(req, res, requestId, 'not_found', `There is nothing at ${path}.`)
    else if (answer.kind === 'redirect') {
      const headers = { location: withQuery(answer.to, req.url as string) }
      res.writeHead(answer.status, decorate(headers)).end()
    } else await this.#file(answer.file, answer.status, decorate, req, res)
    return true
  }

  async #file(
    file: { path: string; sha256: string; size_bytes: number },
    status: 200 | 404,
    decorate: Decorate,
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<void> {
    const type = contentType(file.path)
    const squeeze =
      compressible.test(type) && file.size_bytes > 1_000 && file.size_bytes <= inMemoryBytes
    const encoding =
      squeeze && !req.headers.range ? pick(req.headers['accept-encoding']) : 'identity'
    const etag = encoding === 'identity' ? `"${file.sha256}"` : `"${file.sha256}-${encoding}"`
    const headers = decorate({
      etag,
      'content-type': type,
      'cache-control': 'public, max-age=0, must-revalidate',
      'x-content-type-options': 'nosniff',
    })
    if (squeeze)
      headers.vary = headers.vary ? `${headers.vary}, accept-encoding` : 'accept-encoding'
    if (status === 200 && matches(req.headers['if-none-match'], file.sha256)) {
      res.writeHead(304, headers).end()
      return
    }
    if (file.size_bytes > inMemoryBytes) return this.#streamed(file, status, headers, req, res)

    const bytes = await this.#bytes(file.sha256, encoding)
    const range = status === 200 ? rangeOf(req.headers.range, bytes.length) : undefined
    if (range === 'unsatisfiable') {
      res.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end()
      return
    }
    const part = range ? bytes.subarray(range.start, range.end + 1) : bytes
    res.writeHead(range ? 206 : status, {
      ...headers,
      'content-length': part.length,
      ...(encoding === 'identity'
        ? { 'accept-ranges': 'bytes' }
        : { 'content-encoding': encoding }),
      ...(range && { 'content-range': `bytes ${range.start}-${range.end}/${bytes.length}` }),
    })
    res.end(req.method === 'HEAD' ? undefined : part)
  }

  async #streamed(
    file: { sha256: string; size_bytes: number },
    status: 200 | 404,
    headers: Headers,
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<void> {
    const size = file.size_bytes
    const range = status === 200 ? rangeOf(req.headers.range, size) : undefined
    if (range === 'unsatisfiable') {
      res.writeHead(416, { 'content-range': `bytes */${size}` }).end()
      return
    }
    const { start, end } = range ?? { start: 0, end: size - 1 }
    const stream = req.method !== 'HEAD' && (await this.#blobs.stream(file.sha256, { start, end }))
    res.writeHead(range ? 206 : status, {
      ...headers,
      'accept-ranges': 'bytes',
      'content-length': end - start + 1,
      ...(range && { 'content-range': `bytes ${start}-${end}/${size}` }),
    })
    if (!stream) res.end()
    // Either side may leave; then the other is ended, and there is nobody to tell.
    else await pipeline(stream, res).catch(() => {})
  }

  /** The content in an encoding, from memory, or made once for all who ask at the same time. */
  async #bytes(sha256: string, encoding: Encoding): Promise<Buffer> {
    return (await this.#memory.fetch(`${sha256}.${encoding}`)) as Buffer
  }

  async #make(key: string): Promise<Buffer> {
    const [sha256, encoding] = key.split('.') as [string, Encoding]
    if (encoding === 'identity') return this.#blobs.read(sha256)
    return compress[encoding](await this.#bytes(sha256, 'identity'))
  }
}

/** Where to go: with the query of the request, unless the rule has one of its own. */
function withQuery(to: string, url: string): string {
  const query = url.includes('?') ? url.slice(url.indexOf('?')) : ''
  const [place = '', fragment] = to.split('#', 2)
  return (
    (place.includes('?') ? place : place + query) + (fragment === undefined ? '' : `#${fragment}`)
  )
}

function contentType(path: string): string {
  const type = mime.getType(path) ?? 'application/octet-stream'
  return /^text\/|javascript|json|xml|svg/.test(type) ? `${type}; charset=utf-8` : type
}

/** The best encoding that a client takes (RFC 9110, 12.5.3): brotli before gzip. */
function pick(accepted: string | string[] | undefined): Encoding {
  const offers = String(accepted ?? '')
    .toLowerCase()
    .split(',')
    .map((it) => it.trim().split(/\s*;\s*/))
    .filter(([, q]) => q !== 'q=0' && q !== 'q=0.0')
    .map(([name]) => name)
  if (offers.includes('br')) return 'br'
  return offers.includes('gzip') ? 'gzip' : 'identity'
}

/** Whether If-None-Match names this content in any encoding (weak comparison). */
const matches = (header: string | undefined, sha256: string): boolean =>
  header !== undefined && (header.trim() === '*' || header.includes(sha256))

/** One byte range (RFC 9110, 14.1.2), inclusive; several ranges are answered with the whole. */
function rangeOf(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const [first, last] = [match[1] as string, match[2] as string]
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1)
  return start >= size || start > end ? 'unsatisfiable' : { start, end }
}
