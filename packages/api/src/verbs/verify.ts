import type { Manifest } from '@jackcloud/sdk/wire'
import { answerAsset, indexAssets, workerFirst } from '../Assets.ts'
import type { Version } from '../Deployment.ts'
import { JackError } from '../Errors.ts'
import type { App } from '../engine/Engine.ts'
import type { Jack } from '../jack.ts'

/** How long a version may take to answer one verification. */
const patienceMs = 10_000

/** How much of an answer is shown when it is not the right one. */
const shownBytes = 2_000

/**
 * Asks a version that no traffic reaches yet. Throws `deploy_failed` with what it answered when that is not what was
 * asked for. Each request is sent to the app as it will be later, and counts for nothing.
 */
export async function verify(
  jack: Jack,
  app: App,
  version: Version,
  requests: NonNullable<Manifest['verify']>,
): Promise<void> {
  for (const { path, status } of requests) {
    const answer = assetStatus(version, path) ?? (await ask(jack, app, path))
    if (answer.status === status) continue
    throw new JackError(
      'deploy_failed',
      `The new version answered ${answer.status} to ${path} instead of ${status}.`,
      {
        hint: 'Traffic stays on the version that was live before. Nothing was charged.',
        fields: { verify: { path, expected: status, status: answer.status, body: answer.body } },
      },
    )
  }
}

interface Answer {
  status: number
  /** How the body begins. */
  body?: string
}

function assetStatus({ assets, main }: Version, path: string): Answer | undefined {
  if (!assets) return undefined
  const index = indexAssets(assets)
  const pathname = path.split('?', 1)[0] as string
  if (main !== null && workerFirst(index, pathname)) return undefined
  const found = answerAsset(index, pathname, { standIn: main === null })
  if (found.kind === 'file' || found.kind === 'redirect') return { status: found.status }
  if (found.kind === 'lost') return { status: 404 }
  return main === null ? { status: 404 } : undefined
}

/** The first 2,000 bytes as text. The rest is not read: it may have no end. */
async function beginning(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    chunks.push(chunk.subarray(0, shownBytes - sizeBytes))
    sizeBytes += chunk.length
    if (sizeBytes >= shownBytes) break
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function ask(jack: Jack, app: App, path: string): Promise<Answer> {
  const lease = await jack.engine.open(app, async () => app)
  try {
    const { statusCode, body } = await lease.dispatcher.request({
      origin: lease.origin,
      path,
      method: 'GET',
      headers: {
        ...lease.headers,
        host: jack.urls.deployment(app.deploymentId).replace(/^https?:\/\//, ''),
        'user-agent': 'jack-verify',
      },
      signal: AbortSignal.timeout(patienceMs),
    })
    return { status: statusCode, body: await beginning(body) }
  } catch (error) {
    throw new JackError('deploy_failed', `The new version gave no answer to ${path}.`, {
      hint: 'Traffic stays on the version that was live before. Nothing was charged.',
      cause: error,
    })
  } finally {
    lease.release()
  }
}
