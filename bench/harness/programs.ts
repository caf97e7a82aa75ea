// Imported by the servers beside us, too: nothing in here may start or end anything.
let made = 0

/** A small program for `execute` that no cache has seen. */
export const snippet = (): string => `export function run({ words }) {
  const counts = new Map()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return { most: [...counts].sort((a, b) => b[1] - a[1])[0], version: ${++made} }
}
`

/** What it is given. */
export const snippetInput = { words: 'the quick brown fox jumps over the lazy dog'.split(' ') }

/** The smallest app: what is measured is everything around it. */
export const helloApp = `export default {
  fetch() {
    return new Response('hello')
  },
}
`

/** Answers how many requests this isolate has seen: 1 means that it was started for this one. */
export const countingApp = `let seen = 0
export default {
  fetch() {
    return new Response(String(++seen))
  },
}
`

/** Source of an API as people write them with Hono. It answers `version` on `/`. */
export const honoApp = (version: string): string => `import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { etag } from 'hono/etag'
import { logger } from 'hono/logger'

type Todo = { id: number; title: string; done: boolean }
const todos = new Map<number, Todo>()

const app = new Hono()
app.use(logger())
app.use('/api/*', cors())
app.use('/api/*', etag())
app.get('/', (c) => c.text(${JSON.stringify(version)}))
app.get('/api/todos', (c) => c.json([...todos.values()]))
app.post('/api/todos', async (c) => {
  const { title } = await c.req.json<{ title: string }>()
  const todo = { id: todos.size + 1, title, done: false }
  todos.set(todo.id, todo)
  return c.json(todo, 201)
})
app.get('/api/todos/:id', (c) => {
  const todo = todos.get(Number(c.req.param('id')))
  return todo ? c.json(todo) : c.notFound()
})

export default app
`

/** Keeps data: `/d1` makes a table when there is none, inserts and selects; `/kv` puts and gets. Answers `ok`. */
export const dataApp = `export default {
  async fetch(request, { DB, KV }) {
    const text = crypto.randomUUID()
    let read
    if (new URL(request.url).pathname === '/kv') {
      await KV.put('key', text)
      read = await KV.get('key')
    } else {
      await DB.exec('create table if not exists t (id integer primary key, text text)')
      await DB.prepare('insert into t (text) values (?)').bind(text).run()
      read = await DB.prepare('select text from t order by id desc limit 1').first('text')
    }
    return new Response(read === text ? 'ok' : 'read ' + read)
  },
}
`
