import { PassThrough, Readable } from 'node:stream'
import { operations } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { Archive } from '../store/archive.ts'
import { exportProject } from '../verbs/export-project.ts'
import { findProject } from '../verbs/find-project.ts'
import type { Door } from './Door.ts'
import { route } from './route.ts'

export function exportDoor(app: Hono<Door>, jack: Jack): void {
  const busy = new Set<string>()

  route(app, jack, operations.exportProject, async ({ payer, params }) => {
    const project = await findProject(jack, payer, params.project)
    if (busy.has(payer.accountId)) {
      throw new JackError('rate_limited', 'An account can export one project at a time.', {
        retryAfterSeconds: 2,
      })
    }
    busy.add(payer.accountId)
    const out = new PassThrough()
    const archive = new Archive(out, jack.scratchDir)
    exportProject(jack, project, archive)
      .catch(async (err) => {
        if (!out.destroyed) jack.log.error({ err, projectId: project.projectId }, 'export')
        // Without its end nobody takes it for a whole one.
        await archive.fail(err)
        out.destroy(err)
      })
      .finally(() => busy.delete(payer.accountId))
    return new Response(Readable.toWeb(out) as ReadableStream, {
      headers: {
        'content-type': 'application/gzip',
        'content-disposition': `attachment; filename="${project.name}.tar.gz"`,
        'cache-control': 'no-store',
      },
    })
  })
}
