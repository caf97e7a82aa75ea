import { Hono } from 'hono'
import { type Env, paid } from './payments.ts'

export { Payments } from './payments.ts'

const fortunes = [
  'A short test today saves a long night next week.',
  'What you delete cannot break.',
  'Somebody will read your commit message with joy.',
]

const app = new Hono<{ Bindings: Env }>()

app.get('/', (c) => c.json({ free: ['/health'], paid: { '/fortune': `${c.env.PRICE_USD} USD` } }))

app.get('/health', (c) => c.text('ok'))

app.get('/fortune', paid, (c) =>
  c.json({ fortune: fortunes[Math.floor(Math.random() * fortunes.length)] }),
)

export default app
