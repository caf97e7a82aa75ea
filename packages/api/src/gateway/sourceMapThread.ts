import { parentPort } from 'node:worker_threads'
import { LRUCache } from 'lru-cache'
import { stackMapper } from '../Stack.ts'

/** One version's stacks; `source` is there when the thread said that it does not know the version. */
export interface StackJob {
  deploymentId: string
  stacks: string[]
  source?: { main: string; sourceMap: Uint8Array }
}

/** The stacks in the words of the sources; null when the thread must be given the map first. */
export type StackAnswer = string[] | null

const known = new LRUCache<string, (stack: string) => string>({
  maxSize: 32 * 1_048_576,
  max: 64,
})

parentPort?.on('message', (job: StackJob) => parentPort?.postMessage(answer(job)))

function answer({ deploymentId, stacks, source }: StackJob): StackAnswer {
  if (source) known.set(deploymentId, mapperOf(source), { size: source.sourceMap.length + 1_000 })
  const mapper = known.get(deploymentId)
  return mapper ? stacks.map(mapper) : null
}

function mapperOf({ main, sourceMap }: NonNullable<StackJob['source']>) {
  try {
    const mapper = stackMapper({ main, sourceMap: Buffer.from(sourceMap).toString(), inputs: [] })
    // The first lookup reads the whole map: what is wrong with it shows here.
    mapper(`${main}:1:1`)
    return mapper
  } catch {
    return (stack: string) => stack
  }
}
