import { snippet } from '../harness/programs.ts'
import type { Answered, Asked } from './isolatedVm.ts'

// As much of isolated-vm as is used here: it is installed for the bench only, so its own types may be absent.
interface Library {
  Isolate: new (options: { memoryLimit: number }) => Isolate
}
interface Isolate {
  createContext(): Promise<object>
  compileModule(code: string): Promise<Module>
  dispose(): void
}
interface Module {
  instantiate(context: object, resolve: () => never): Promise<void>
  evaluate(): Promise<void>
  namespace: {
    get(name: string, options: { reference: true }): Promise<Callable>
  }
}
interface Callable {
  apply(receiver: undefined, args: unknown[], options: object): Promise<unknown>
}

const name = 'isolated-vm'
const { Isolate } = ((await import(name)) as { default: Library }).default

process.on('message', async (asked: Asked) => {
  const answered: Answered =
    'code' in asked
      ? { ms: await execute(asked.code, asked.input) }
      : { perSecond: await rate(asked.forMs, asked.input) }
  process.send?.(answered)
})

/** One execution under the same terms as ours: a fresh isolate, a limit, JSON in and out, nothing left over. */
async function execute(code: string, input: unknown): Promise<number> {
  const began = performance.now()
  const isolate = new Isolate({ memoryLimit: 128 })
  const context = await isolate.createContext()
  const module = await isolate.compileModule(code)
  await module.instantiate(context, () => {
    throw new Error('A snippet imports nothing')
  })
  await module.evaluate()
  const run = await module.namespace.get('run', { reference: true })
  const result = await run.apply(undefined, [input], {
    arguments: { copy: true },
    result: { copy: true, promise: true },
    timeout: 50,
  })
  JSON.stringify(result)
  isolate.dispose()
  return performance.now() - began
}

async function rate(forMs: number, input: unknown): Promise<number> {
  const began = performance.now()
  let done = 0
  for (; performance.now() - began < forMs; done++) await execute(snippet(), input)
  return (done / (performance.now() - began)) * 1_000
}
