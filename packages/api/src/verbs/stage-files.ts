import { isSource, pathProblem } from '@jackcloud/bundler'
import { type DeployRequest, limits } from '@jackcloud/sdk/wire'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { type Payer, requireProject } from '../Payer.ts'
import * as projects from '../store/projects.ts'
import * as stagedFiles from '../store/stagedFiles.ts'
import { filesOf } from './bundle-deploy.ts'

/**
 * The stage that a name or id leads to. A name need not be a project yet. Throws `not_found` for an id of nobody, and
 * `forbidden` when the token is confined to another project.
 */
export async function findStage(jack: Jack, payer: Payer, ref: string): Promise<stagedFiles.Stage> {
  const project = await projects.find(jack.db, payer.accountId, ref)
  requireProject(payer, project?.projectId ?? null)
  if (!project && ref.startsWith('prj_'))
    throw new JackError('not_found', `There is no project ${ref}.`)
  return { accountId: payer.accountId, name: project?.name ?? ref }
}

/** Puts files into a stage. Throws `invalid_request` for a path that is none, `code_too_large`; then nothing changes. */
export async function stageFiles(
  jack: Jack,
  stage: stagedFiles.Stage,
  files: NonNullable<DeployRequest['files']>,
  append: boolean,
): Promise<void> {
  const contents = Object.entries(filesOf(files))
  if (contents.length === 0) throw new JackError('missing_files', 'No files were sent.')
  for (const [path] of contents) requirePath(path)
  await jack.db.transaction().execute(async (db) => {
    await stagedFiles.lock(db, stage.accountId)
    for (const [path, content] of contents) {
      await stagedFiles.put(db, stage, path, Buffer.from(content as Uint8Array), append)
    }
    requireRoom(await stagedFiles.list(db, stage))
    if ((await stagedFiles.sizeOfAccount(db, stage.accountId)) > limits.staging.accountBytes) {
      throw tooLarge(`An account can stage ${limits.staging.accountBytes} bytes.`)
    }
  })
}

function requirePath(path: string): void {
  const problem = pathProblem(path)
  if (problem === undefined) return
  throw new JackError(
    'invalid_request',
    `The path ${JSON.stringify(path.slice(0, 120))} ${problem}.`,
    { hint: 'Paths are relative, with "/" between segments: src/index.ts.' },
  )
}

function requireRoom(files: stagedFiles.StagedFile[]): void {
  const sum = (some: stagedFiles.StagedFile[]) => some.reduce((all, it) => all + it.sizeBytes, 0)
  if (files.length > limits.staging.files)
    throw tooLarge(`A stage can hold ${limits.staging.files} files.`)
  if (sum(files) > limits.staging.bytes)
    throw tooLarge(`A stage can hold ${limits.staging.bytes} bytes.`)
  if (sum(files.filter((it) => isSource(it.path))) > limits.sourceBytes)
    throw tooLarge(`A program can have ${limits.sourceBytes} bytes of source.`)
}

const tooLarge = (detail: string) =>
  new JackError('code_too_large', detail, {
    hint: 'Nothing of this request was staged. Delete what is not needed, or bundle first.',
  })

/** The files of a deploy: what is staged under its name, and over it what the request brings along. */
export async function stagedWith(
  jack: Jack,
  payer: Payer,
  request: DeployRequest,
): Promise<DeployRequest> {
  if (!request.staged) return request
  if (request.name === undefined) {
    throw new JackError('invalid_request', 'Files are staged under the name of a project.', {
      hint: 'Send the same `name`.',
    })
  }
  const staged = await stagedFiles.contents(jack.db, await findStage(jack, payer, request.name))
  if (staged.length === 0) {
    throw new JackError('missing_files', `Nothing is staged for "${request.name}".`, {
      hint: 'Stage files first: POST /v1/projects/{name}/files. They are kept for a day.',
      next: [{ command: `jack files put index.ts -p ${request.name}`, when: 'to stage a file' }],
    })
  }
  const files = staged.map(
    ({ path, content }) => [path, { base64: content.toString('base64') }] as const,
  )
  return { ...request, files: { ...Object.fromEntries(files), ...request.files } }
}
