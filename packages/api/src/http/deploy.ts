import { operations, ProjectRef } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import { parse } from '../Input.ts'
import type { Jack } from '../jack.ts'
import { requireScope } from '../Payer.ts'
import type { Claim } from '../store/idempotency.ts'
import { admitDeploy } from '../verbs/admit-deploy.ts'
import { deploy } from '../verbs/deploy.ts'
import { deploySources } from '../verbs/deploy-sources.ts'
import { requireValues } from '../verbs/update-env.ts'
import { requirePayer } from './authenticate.ts'
import type { Door } from './Door.ts'
import { once } from './idempotency.ts'
import type { RateLimits } from './limit.ts'
import { route, send } from './route.ts'
import { receiveUpload } from './upload.ts'

export function deployDoor(app: Hono<Door>, jack: Jack, limits: RateLimits): void {
  route(app, jack, operations.deploy, ({ payer, body, claim }) => {
    requireValues(body.env ?? {})
    return limits.deploy(payer.accountId, () => deploySources(jack, payer, body, claim))
  })

  const { upload } = operations
  app.on(upload.method, upload.path, async (c) => {
    const payer = requirePayer(c.get('payer'))
    requireScope(payer, upload.scope)
    const project = parse(ProjectRef, c.req.param('project'), 'name of the project')
    const manifest = await receiveUpload(jack, c.env.incoming, async (manifest) => {
      requireValues(manifest.env ?? {})
      await admitDeploy(jack, payer, project, manifest)
    })
    const work = async (claim: Claim) => ({
      status: upload.success,
      body: JSON.stringify(
        await limits.deploy(payer.accountId, () =>
          deploy(jack, payer, { project, manifest, warnings: [], claim }),
        ),
      ),
    })
    const workId = jack.newId('dep')
    const key = c.req.header('idempotency-key')
    if (key === undefined) return send(c, await work({ workId, repeated: false }))
    // The manifest names every file by its digest, so that it stands for the whole upload.
    const fingerprint = jack.sha256(`${upload.method} ${c.req.path}\n${JSON.stringify(manifest)}`)
    return send(c, await once(jack, payer, key, fingerprint, workId, c.get('requestId'), work))
  })
}
