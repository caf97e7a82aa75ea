import { isUtf8 } from 'node:buffer'
import { limits, operations, ProjectRef } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import { JackError } from '../Errors.ts'
import { parse } from '../Input.ts'
import type { Jack } from '../jack.ts'
import type { Payer } from '../Payer.ts'
import * as stagedFiles from '../store/stagedFiles.ts'
import { findStage, stageFiles } from '../verbs/stage-files.ts'
import type { Door } from './Door.ts'
import { pageOf } from './present.ts'
import { route } from './route.ts'

/** Source files that are sent in pieces and wait for their deploy. */
export function filesDoor(app: Hono<Door>, jack: Jack): void {
  const stageOf = (payer: Payer, ref: string) =>
    findStage(jack, payer, parse(ProjectRef, ref, 'name of the project'))

  route(app, jack, operations.stageFiles, async ({ payer, params, body }) => {
    const stage = await stageOf(payer, params.project)
    await stageFiles(jack, stage, body.files, body.append)
    return presentStage(await stagedFiles.list(jack.db, stage))
  })

  route(app, jack, operations.listStaged, async ({ payer, params, query }) => {
    const files = await stagedFiles.list(jack.db, await stageOf(payer, params.project))
    const { cursor, limit } = query
    const rest = cursor === undefined ? files : files.filter((it) => it.path > cursor)
    const { items, next_cursor } = pageOf(rest, limit, (it) => it.path)
    return { ...presentStage(files), files: items.map(presentFile), next_cursor }
  })

  route(app, jack, operations.readStaged, async ({ payer, params, query }) => {
    const stage = await stageOf(payer, params.project)
    const { path, offset, limit } = query
    const file = await stagedFiles.read(jack.db, stage, path, offset, limit)
    if (!file) throw noFile(path)
    const part = wholeText(file.part, offset + file.part.length === file.sizeBytes)
    const end = offset + part.length
    return {
      ...presentFile(file),
      content: isUtf8(part) ? part.toString('utf8') : { base64: part.toString('base64') },
      offset,
      next_offset: end < file.sizeBytes ? end : null,
    }
  })

  route(app, jack, operations.unstageFiles, async ({ payer, params, query }) => {
    const stage = await stageOf(payer, params.project)
    const removed = await stagedFiles.remove(jack.db, stage, query.path)
    if (removed === 0 && query.path !== undefined) throw noFile(query.path)
    return presentStage(await stagedFiles.list(jack.db, stage))
  })
}

const noFile = (path: string) =>
  new JackError('not_found', `No file ${JSON.stringify(path.slice(0, 120))} is staged.`)

const presentFile = (it: stagedFiles.StagedFile) => ({
  path: it.path,
  size_bytes: it.sizeBytes,
  updated_at: it.updatedAt.toISOString(),
})

function presentStage(files: stagedFiles.StagedFile[]) {
  const changedAt = Math.max(...files.map((it) => it.updatedAt.getTime()))
  return {
    count: files.length,
    size_bytes: files.reduce((sum, it) => sum + it.sizeBytes, 0),
    expires_at:
      files.length === 0
        ? null
        : new Date(changedAt + limits.staging.hours * 3_600_000).toISOString(),
  }
}

/** Without the beginning of a character whose rest comes with the next part. */
function wholeText(part: Buffer, isEnd: boolean): Buffer {
  if (isEnd || isUtf8(part)) return part
  for (let cut = 1; cut <= 3 && cut < part.length; cut++) {
    if (isUtf8(part.subarray(0, -cut))) return part.subarray(0, -cut)
  }
  return part
}
