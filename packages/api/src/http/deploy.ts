import { operations, ProjectRef } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import { JackError } from '../Errors.ts'
import { parse } from '../Input.ts'
import type { Jack } from '../jack.ts'
import { type Payer, requireScope } from '../Payer.ts'
import { type Claim, unclaimed } from '../store/idempotency.ts'
import { admitDeploy } from '../verbs/admit-deploy.ts'
import { deploy } from '../verbs/deploy.ts'
import { deploySources } from '../verbs/deploy-sources.ts'
import { requireValues } from '../verbs/update-env.ts'
import { requirePayer } from './authenticate.ts'
import { hasBody } from './body.ts'
import type { Door } from './Door.ts'
import { once } from './idempotency.ts'
import type { RateLimits } from './limit.ts'
import { canPay, identify, keyOf, receiptOf } from './pay.ts'
import { digestOf, noteDeed, route, send, tellBalance, withoutBody } from './route.ts'
import { receiveUpload } from './upload.ts'

export function deployDoor(app: Hono<Door>, jack: Jack, limits: RateLimits): void {
  route(app, jack, operations.deploy, ({ payer, body, claim }) => {
    requireValues(body.env ?? {})
    return limits.deploy(payer.accountId, () => deploySources(jack, payer, body, claim))
  })

  const { upload } = operations
  app.on(upload.method, upload.path, async (c) => {
    if (!canPay(c, jack, upload)) requireScope(requirePayer(c.get('payer')), upload.scope)
    const { incoming } = c.env
    if (!incoming) throw new JackError('invalid_request', 'Files are uploaded over HTTP.')
    if (!hasBody(incoming)) return withoutBody(c, jack, { operation: upload, bodySha256: null })
    let payer: Payer | undefined
    const project = parse(ProjectRef, c.req.param('project'), 'name of the project')
    const manifest = await receiveUpload(jack, incoming, async (manifest) => {
      requireValues(manifest.env ?? {})
      // The manifest names every file by its digest, so that it stands for the whole upload.
      const bodySha256 = digestOf(JSON.stringify(manifest))
      payer = await identify(c, jack, { operation: upload, bodySha256 })
      await admitDeploy(jack, payer, project, manifest)
    })
    const buyer = requirePayer(payer ?? null)
    noteDeed(c, upload, buyer, project)
    const work = async (claim: Claim) => {
      const deployed = await limits.deploy(buyer.accountId, () =>
        deploy(jack, buyer, { project, manifest, warnings: [], claim }),
      )
      const receipt = await receiptOf(jack, buyer)
      tellBalance(c, buyer)
      return { status: upload.success, body: JSON.stringify(deployed), receipt }
    }
    const workId = jack.newId('dep')
    const key = keyOf(c)
    if (key === undefined) return send(c, await work(unclaimed(workId)))
    const fingerprint = jack.sha256(`${upload.method} ${c.req.path}\n${JSON.stringify(manifest)}`)
    return send(c, await once(jack, buyer, key, fingerprint, workId, c.get('requestId'), work))
  })
}
