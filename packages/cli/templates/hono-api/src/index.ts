import { Hono } from 'hono'
import { logger } from 'hono/logger'

const app = new Hono()

app.use(logger())

app.get('/', (c) => c.json({ hello: 'world', try: '/greet/you' }))

app.get('/greet/:name', (c) => c.json({ greeting: `Hello, ${c.req.param('name')}!` }))

app.post('/sum', async (c) => {
  const { numbers } = await c.req.json<{ numbers: number[] }>()
  if (!Array.isArray(numbers)) return c.json({ error: 'Send {"numbers": [1, 2, 3]}.' }, 400)
  return c.json({ sum: numbers.reduce((sum, number) => sum + number, 0) })
})

export default app
