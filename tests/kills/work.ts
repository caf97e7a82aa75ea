import { prices } from '@jackcloud/sdk/wire'

/** Something to buy. Under its key it is done and paid once, however often it is asked for. */
export type Work = { key: string } & (
  | { what: 'execute'; input: number }
  | { what: 'deploy'; name: string }
  | { what: 'fund'; amountUsd: string; project?: string | undefined }
)

/** What the cloud said that it did. */
export interface Answer {
  /** Of the execution or the deployment. */
  id?: string
  /** Of the project, and of the deployment. */
  url?: string
  deploymentUrl?: string
}

let count = 0
const key = () => crypto.randomUUID()
export const execution = (): Work => ({ key: key(), what: 'execute', input: count++ })
export const deployment = (name: string): Work => ({ key: key(), what: 'deploy', name })
export const funding = (amountUsd: string, project?: string): Work => ({
  key: key(),
  what: 'fund',
  amountUsd,
  project,
})

/** What it costs for good. */
export function priceOf({ what }: Work, how: 'session' | 'charge'): bigint {
  if (what === 'fund') return 0n
  if (what === 'execute') return prices.execution
  return how === 'charge' ? prices.charge.deploy : prices.deploy
}

/** Path and body of its request. */
export function requestOf(work: Work): { path: string; body: object } {
  switch (work.what) {
    case 'execute': {
      const code = 'export const run = (n) => n + 1'
      return { path: '/execute', body: { code, input: work.input } }
    }
    case 'deploy': {
      const code = `export default { fetch: () => new Response(${JSON.stringify(work.key)}) }`
      return { path: '/deploy', body: { name: work.name, files: { 'index.js': code } } }
    }
    case 'fund': {
      const { amountUsd: amount_usd, project } = work
      return { path: '/v1/balance', body: { amount_usd, ...(project && { project }) } }
    }
  }
}

/** Throws when the answer is not to this work. */
// biome-ignore lint/suspicious/noExplicitAny: it is looked at here
export function answerTo(work: Work, said: any): Answer {
  if (work.what === 'execute' && said.result === work.input + 1) return { id: said.execution_id }
  if (work.what === 'deploy' && said.deduplicated === false)
    return { id: said.deployment_id, url: said.url, deploymentUrl: said.deployment_url }
  if (work.what === 'fund' && Number(said.added_usd) === Number(work.amountUsd)) return {}
  throw new Error(`This is no answer to ${JSON.stringify(work)}: ${JSON.stringify(said)}`)
}

/** Whether there will be another answer under the same key. */
export const mayComeBack = ({ code, message }: { code: string; message: string }): boolean =>
  ['network', 'timeout', 'unavailable'].includes(code) ||
  (code === 'conflict' && /under way/.test(message))
