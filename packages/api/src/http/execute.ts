import { operations } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import type { Jack } from '../jack.ts'
import { execute } from '../verbs/execute.ts'
import { quote } from '../verbs/quote.ts'
import type { Door } from './Door.ts'
import { bootstrap } from './pay.ts'
import { route } from './route.ts'

export function executeDoor(app: Hono<Door>, jack: Jack): void {
  for (const operation of [
    operations.execute,
    operations.deploy,
    operations.upload,
    operations.addBalance,
  ]) {
    app.get(operation.path, (c, next) =>
      c.req.method === 'HEAD' && jack.payments
        ? bootstrap(c, jack, { operation, bodySha256: null })
        : next(),
    )
  }
  route(app, jack, operations.execute, ({ payer, body, signal, claim }) =>
    execute(jack, payer, body, signal, claim),
  )
  route(app, jack, operations.quote, ({ payer, body }) => quote(jack, payer, body))
}
