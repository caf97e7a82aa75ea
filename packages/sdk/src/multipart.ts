import type { Body } from './fetch.ts'

/** Content of a file to send: bytes, or a way to get them when their turn comes. */
export type FileBytes = Uint8Array | (() => Promise<Uint8Array>)

/**
 * A `multipart/form-data` body that can be opened again: JSON fields first, then one part for each file, named by its
 * key. The boundary is the caller's, so that another attempt sends the same bytes. Bytes that come from a function are
 * held one file at a time, and wait for the answer to the fields.
 */
export function multipart(
  boundary: string,
  json: Record<string, unknown>,
  files: ReadonlyMap<string, FileBytes>,
): Body {
  const fields = Object.entries(json).map(
    ([name, value]) =>
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n` +
      `Content-Type: application/json\r\n\r\n${JSON.stringify(value)}\r\n`,
  )
  const head = (name: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${name}"\r\n` +
    `Content-Type: application/octet-stream\r\n\r\n`
  const end = `--${boundary}--\r\n`
  const lazy = [...files.values()].some((bytes) => typeof bytes === 'function')

  async function* chunks(asked?: Promise<void>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const text = new TextEncoder()
    // The last field has ended for the reader when something follows it.
    let before = fields.join('')
    for (const [name, bytes] of files) {
      yield text.encode(before + head(name))
      before = ''
      await asked
      yield (typeof bytes === 'function' ? await bytes() : bytes) as Uint8Array<ArrayBuffer>
      yield text.encode('\r\n')
    }
    yield text.encode(before + end)
  }

  const whole = () =>
    new Blob([
      ...fields,
      ...[...files].flatMap(([name, bytes]) => [
        head(name),
        bytes as Uint8Array<ArrayBuffer>,
        '\r\n',
      ]),
      end,
    ])
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    open: (asked) => (lazy ? streamOf(chunks(asked)) : whole()),
  }
}

/** `ReadableStream.from`, which not every runtime has yet. */
function streamOf(
  chunks: AsyncGenerator<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await chunks.next()
      if (done) controller.close()
      else if (value.byteLength > 0) controller.enqueue(value)
    },
    async cancel() {
      await chunks.return(undefined)
    },
  })
}
