import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { end, start } from '../harness/processes.ts'

/** What the process next door is asked, and answers. */
export type Asked = { code: string; input: unknown } | { forMs: number; input: unknown }
export type Answered = { ms: number } | { perSecond: number }

/** isolated-vm in a process of its own: it needs a flag of Node that nothing else should run under. */
export class IsolatedVm {
  readonly #child: ChildProcess

  constructor() {
    const file = fileURLToPath(new URL('isolatedVmProcess.ts', import.meta.url))
    this.#child = start(process.execPath, ['--no-node-snapshot', file], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
  }

  /** Milliseconds for a fresh isolate, the program in it, and its result; the call alone, as measured in there. */
  async runMs(code: string, input: unknown): Promise<number> {
    return ((await this.#ask({ code, input })) as { ms: number }).ms
  }

  /** Fresh programs one after the other for that long; how many a second. */
  async rate(forMs: number, input: unknown): Promise<number> {
    return ((await this.#ask({ forMs, input })) as { perSecond: number }).perSecond
  }

  stop(): Promise<void> {
    return end(this.#child)
  }

  #ask(asked: Asked): Promise<Answered> {
    return new Promise((resolve, reject) => {
      const failed = () => reject(new Error('The process of isolated-vm ended'))
      this.#child.once('exit', failed)
      this.#child.once('message', (answered: Answered) => {
        this.#child.off('exit', failed)
        resolve(answered)
      })
      this.#child.send(asked)
    })
  }
}
