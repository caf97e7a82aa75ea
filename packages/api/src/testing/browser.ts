import { type Dispatcher, request } from 'undici'

export interface Seen {
  status: number
  headers: Dispatcher.ResponseData['headers']
  text: string
  location: string | undefined
  /** The value of a hidden field, such as `csrf`. */
  field(name: string): string
}

/** What a browser does with our pages, without its walls: cookies of one server, forms with the Origin of it. */
export class Browser {
  readonly url: string
  readonly origin: string
  readonly cookies = new Map<string, string>()

  /** @param origin where it believes to be, when `url` is only how the server is reached */
  constructor(url: string, origin: string = url) {
    this.url = url
    this.origin = origin
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Seen> {
    return this.send('GET', path, headers)
  }

  /** Sends a form. `headers` replace what a browser would say. */
  post(
    path: string,
    fields: Record<string, string> | [string, string][],
    headers: Record<string, string> = {},
  ): Promise<Seen> {
    const sent = {
      origin: this.origin,
      'sec-fetch-site': 'same-origin',
      'content-type': 'application/x-www-form-urlencoded',
      ...headers,
    }
    return this.send('POST', path, sent, new URLSearchParams(fields).toString())
  }

  async send(
    method: 'GET' | 'POST',
    path: string,
    headers: Record<string, string>,
    body?: string,
  ): Promise<Seen> {
    const answer = await request(`${this.url}${path}`, {
      method,
      headers: {
        host: new URL(this.origin).host,
        accept: 'text/html,*/*;q=0.8',
        ...(this.cookies.size > 0 && {
          cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        }),
        ...headers,
      },
      ...(body !== undefined && { body }),
    })
    for (const line of [answer.headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/max-age=0/i.test(line)) this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    const text = await answer.body.text()
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text,
      location: answer.headers.location as string | undefined,
      field: (name) =>
        (new RegExp(`name="${name}" value="([^"]*)"`).exec(text)?.[1] ?? '').replaceAll(
          '&amp;',
          '&',
        ),
    }
  }
}
