import { operations } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import type { Jack } from '../jack.ts'
import { execute } from '../verbs/execute.ts'
import { quote } from '../verbs/quote.ts'
import type { Door } from './Door.ts'
import { route } from './route.ts'

export function executeDoor(app: Hono<Door>, jack: Jack): void {
  route(app, jack, operations.execute, ({ payer, body, signal, claim }) =>
    execute(jack, payer, body, signal, claim),
  )
  route(app, jack, operations.quote, ({ payer, body }) => quote(jack, payer, body))
}
