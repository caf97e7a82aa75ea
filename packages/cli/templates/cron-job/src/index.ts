interface Env {
  WATCH: string
  RESULTS: KVNamespace
}

interface Result {
  at: string
  url: string
  ok: boolean
  /** The status of the answer, or what went wrong. */
  saw: number | string
}

export default {
  async scheduled({ scheduledTime }: ScheduledController, env: Env): Promise<void> {
    const result = { at: new Date(scheduledTime).toISOString(), ...(await look(env.WATCH)) }
    console.log(JSON.stringify(result))
    const results = [result, ...(await read(env))].slice(0, 100)
    await env.RESULTS.put('last', JSON.stringify(results))
  },

  async fetch(_request: Request, env: Env): Promise<Response> {
    return Response.json(await read(env))
  },
}

async function look(url: string): Promise<Omit<Result, 'at'>> {
  try {
    const { ok, status } = await fetch(url, { signal: AbortSignal.timeout(10_000) })
    return { url, ok, saw: status }
  } catch (error) {
    return { url, ok: false, saw: String(error) }
  }
}

const read = async ({ RESULTS }: Env): Promise<Result[]> =>
  (await RESULTS.get<Result[]>('last', 'json')) ?? []
