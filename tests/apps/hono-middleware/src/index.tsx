import { Hono } from 'hono'
import { basicAuth } from 'hono/basic-auth'
import { cors } from 'hono/cors'
import { HTTPException } from 'hono/http-exception'
import { jwt, sign } from 'hono/jwt'
import { logger } from 'hono/logger'
import { secureHeaders } from 'hono/secure-headers'
import { Entries, Page } from './Page'

type Bindings = { JWT_SECRET: string; ADMIN_PASSWORD: string }

const app = new Hono<{ Bindings: Bindings; Variables: { jwtPayload: { sub: string } } }>()
const entries: string[] = []

app.use(logger())
app.use(secureHeaders())
app.use('/api/*', cors({ origin: 'https://shop.example', allowMethods: ['GET', 'POST'] }))
app.use('/api/me', (c, next) => jwt({ secret: c.env.JWT_SECRET, alg: 'HS256' })(c, next))
app.use('/admin/*', (c, next) =>
  basicAuth({ username: 'admin', password: c.env.ADMIN_PASSWORD })(c, next),
)

app.get('/', (c) =>
  c.html(
    <Page title="Guests">
      <Entries entries={entries} />
    </Page>,
  ),
)

app.post('/', async (c) => {
  const { name } = await c.req.parseBody<{ name: string }>()
  if (!name) throw new HTTPException(400, { message: 'Say your name.' })
  entries.push(name)
  return c.redirect('/', 303)
})

app.post('/api/login', async (c) => {
  const { name } = await c.req.json<{ name: string }>()
  const exp = Math.floor(Date.now() / 1000) + 60
  return c.json({ token: await sign({ sub: name, exp }, c.env.JWT_SECRET, 'HS256') })
})

app.get('/api/me', (c) => c.json({ name: c.get('jwtPayload').sub }))

app.get('/admin/clear', (c) => {
  entries.length = 0
  return c.text('Cleared.')
})

app.notFound((c) => c.json({ error: 'Not here.' }, 404))

export default app
