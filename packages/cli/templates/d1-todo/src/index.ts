import { type Context, Hono } from 'hono'

interface Env {
  DB: D1Database
}

const app = new Hono<{ Bindings: Env }>()

app.get('/todos', async (c) => {
  const { results } = await c.env.DB.prepare('select * from todo order by done, id').all()
  return c.json(results)
})

app.post('/todos', async (c) => {
  const { title } = await read<{ title: unknown }>(c)
  if (typeof title !== 'string' || title.length < 1 || title.length > 200)
    return c.json({ error: 'Send {"title": "..."}: 1 to 200 characters.' }, 400)
  const todo = await c.env.DB.prepare('insert into todo (title) values (?) returning *')
    .bind(title)
    .first()
  return c.json(todo, 201)
})

app.patch('/todos/:id', async (c) => {
  const { done } = await read<{ done: unknown }>(c)
  if (typeof done !== 'boolean') return c.json({ error: 'Send {"done": true}.' }, 400)
  const todo = await c.env.DB.prepare('update todo set done = ? where id = ? returning *')
    .bind(Number(done), c.req.param('id'))
    .first()
  return todo ? c.json(todo) : c.notFound()
})

app.delete('/todos/:id', async (c) => {
  await c.env.DB.prepare('delete from todo where id = ?').bind(c.req.param('id')).run()
  return c.body(null, 204)
})

/** The fields of a JSON body; none when it is something else. */
const read = <T>(c: Context): Promise<Partial<T>> =>
  c.req.json().then(
    (it) => it ?? {},
    () => ({}),
  )

export default app
