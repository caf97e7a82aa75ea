import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { limits, Manifest } from '@jackcloud/sdk/wire'
import busboy from 'busboy'
import { JackError } from '../Errors.ts'
import { parse } from '../Input.ts'
import type { Jack } from '../jack.ts'

/** A manifest of 2,000 files stays far below. */
const manifestBytes = 2 * 1_048_576

/**
 * Reads a multipart upload (RFC 7578): the field `manifest` first, then one part for each file, named by its sha256.
 * Files stream straight into the blobs; a file that is there already is skipped. Only files that the manifest names
 * are taken, with the size that it says.
 *
 * Throws `invalid_request`, `body_too_large` or `code_too_large`; what was stored until then is harmless.
 *
 * @param admit sees the manifest before any file is stored, and throws to refuse the rest
 */
export function receiveUpload(
  jack: Jack,
  req: IncomingMessage,
  admit: (manifest: Manifest) => Promise<void>,
): Promise<Manifest> {
  return new Promise((resolve, reject) => {
    const parser = parserOf(req)
    let manifest: Manifest | undefined
    let expected = new Map<string, number>()
    let storing: Promise<void> = Promise.resolve()

    const fail = (error: unknown) => {
      reject(error)
      req.unpipe(parser)
      req.resume()
      // Ends the file that is being stored too: it would wait for the rest of its bytes for ever.
      parser.destroy()
    }
    parser.on('field', (name, value, { valueTruncated }) => {
      try {
        if (name !== 'manifest')
          throw new JackError('invalid_request', `The field "${name.slice(0, 60)}" is not known.`)
        if (valueTruncated) throw new JackError('body_too_large', 'The manifest is too large.')
        manifest = parse(Manifest, parseJson(value), 'manifest')
        expected = sizesOf(manifest)
        storing = admit(manifest)
        storing.catch(fail)
      } catch (error) {
        fail(error)
      }
    })
    parser.on('file', (name, stream) => {
      // It may break off before anybody reads it, and an error that nobody hears ends the process.
      stream.on('error', () => {})
      const sizeBytes = expected.get(name)
      if (sizeBytes === undefined) {
        stream.resume()
        fail(unexpected(name, manifest))
        return
      }
      expected.delete(name)
      storing = storing.then(() => store(jack, name, stream, sizeBytes))
      storing.catch((error) => {
        stream.resume()
        fail(error)
      })
    })
    parser.on('close', () => {
      storing.then(() => {
        if (manifest) resolve(manifest)
        else
          reject(
            new JackError('invalid_request', 'The upload has no manifest.', { hint: uploadHint }),
          )
      }, reject)
    })
    for (const event of ['filesLimit', 'fieldsLimit', 'partsLimit'] as const) {
      parser.on(event, () =>
        fail(new JackError('code_too_large', 'The upload has too many parts.')),
      )
    }
    parser.on('error', (cause) =>
      fail(
        new JackError('invalid_request', 'The upload is not valid multipart/form-data.', { cause }),
      ),
    )
    req.on('close', () => {
      if (!req.complete) fail(new JackError('invalid_request', 'The upload broke off.'))
    })
    req.pipe(parser)
  })
}

const uploadHint =
  'Send multipart/form-data with the field "manifest" first, then one part a file, named by its sha256.'

function parserOf(req: IncomingMessage): busboy.Busboy {
  try {
    return busboy({
      headers: req.headers,
      limits: {
        fields: 1,
        fieldSize: manifestBytes,
        files: limits.assetFiles + 502,
        fileSize: limits.assetBytes,
        headerPairs: 50,
      },
    })
  } catch (cause) {
    throw new JackError('invalid_request', 'An upload is multipart/form-data.', {
      hint: uploadHint,
      cause,
    })
  }
}

function sizesOf(manifest: Manifest): Map<string, number> {
  const files = [
    ...manifest.modules.map((it) => [it.sha256, it.size_bytes] as const),
    ...(manifest.assets?.files ?? []).map((it) => [it.sha256, it.size_bytes] as const),
  ]
  const sizes = new Map(files)
  const total = [...sizes.values()].reduce((sum, it) => sum + it, 0)
  if (total > limits.bundleBytes + limits.assetBytes) {
    throw new JackError(
      'code_too_large',
      `An upload can have ${limits.bundleBytes + limits.assetBytes} bytes.`,
    )
  }
  if (manifest.source_map) sizes.set(manifest.source_map, 4 * limits.bundleBytes)
  return sizes
}

async function store(
  jack: Jack,
  sha256: string,
  stream: Readable,
  sizeBytes: number,
): Promise<void> {
  // Of another size it is damaged, and storing it anew mends it.
  if ((await jack.blobs.keep(sha256)) === sizeBytes) {
    stream.resume()
    return
  }
  await jack.blobs.put(sha256, stream, sizeBytes)
}

const unexpected = (name: string, manifest: Manifest | undefined) =>
  new JackError(
    'invalid_request',
    manifest
      ? `The manifest does not name the file "${name.slice(0, 80)}", or it was sent twice.`
      : 'The manifest must come before the files.',
    { hint: uploadHint },
  )

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new JackError('invalid_request', 'The manifest is not JSON.', { cause })
  }
}
