/** One event of a `text/event-stream`. */
export interface ServerEvent {
  id: string
  event: string
  data: string
}

/**
 * Reads server-sent events as the HTML standard says: lines end in LF, CR or CRLF, a blank line ends an event, lines of
 * comment are passed over, and an event without data is none. `onBytes` is called whenever something arrives.
 */
export async function* events(
  body: ReadableStream<Uint8Array>,
  onBytes?: () => void,
): AsyncGenerator<ServerEvent> {
  let id = ''
  let event = ''
  let data: string[] = []
  for await (const line of lines(body, onBytes)) {
    if (line === '') {
      if (data.length > 0) yield { id, event: event || 'message', data: data.join('\n') }
      event = ''
      data = []
      continue
    }
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'data') data.push(value)
    else if (field === 'event') event = value
    else if (field === 'id' && !value.includes('\0')) id = value
  }
}

async function* lines(
  body: ReadableStream<Uint8Array>,
  onBytes?: () => void,
): AsyncGenerator<string> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      onBytes?.()
      rest += decoder.decode(value, { stream: true })
      for (;;) {
        const match = /\r\n|\n|\r/.exec(rest)
        // A CR at the very end may be the first half of a CRLF.
        if (!match || (match[0] === '\r' && match.index === rest.length - 1)) break
        yield rest.slice(0, match.index)
        rest = rest.slice(match.index + match[0].length)
      }
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}
