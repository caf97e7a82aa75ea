/** Jobs that wait, with a fair share for each account. Knows nothing of processes. */
export class FairQueue<Job> {
  readonly #waiting = new Map<string, Job[]>()
  readonly #limits: { total: number; perAccount: number }
  #size = 0

  constructor(limits: { total: number; perAccount: number }) {
    this.#limits = limits
  }

  get size(): number {
    return this.#size
  }

  /** False when there is no more room, for anybody or for this account. */
  push(account: string, job: Job): boolean {
    const jobs = this.#waiting.get(account) ?? []
    if (this.#size >= this.#limits.total || jobs.length >= this.#limits.perAccount) return false
    jobs.push(job)
    this.#waiting.set(account, jobs)
    this.#size++
    return true
  }

  /**
   * Whose turn it is: of the waiting accounts the one that uses the fewest processes now, of those `preferred`, of the
   * others the one that was served longest ago.
   */
  next(using: (account: string) => number, preferred?: string): string | undefined {
    let best: string | undefined
    let fewest = Number.POSITIVE_INFINITY
    for (const account of this.#waiting.keys()) {
      const count = using(account)
      if (count < fewest || (count === fewest && account === preferred)) {
        best = account
        fewest = count
      }
    }
    return best
  }

  has(account: string): boolean {
    return this.#waiting.has(account)
  }

  take(account: string): Job | undefined {
    const jobs = this.#waiting.get(account)
    const job = jobs?.shift()
    if (!jobs || job === undefined) return undefined
    this.#size--
    // To the end of the round; a Map keeps the order in which keys were set.
    this.#waiting.delete(account)
    if (jobs.length > 0) this.#waiting.set(account, jobs)
    return job
  }

  remove(account: string, job: Job): void {
    const jobs = this.#waiting.get(account)
    const at = jobs?.indexOf(job) ?? -1
    if (!jobs || at < 0) return
    jobs.splice(at, 1)
    this.#size--
    if (jobs.length === 0) this.#waiting.delete(account)
  }

  drain(): Job[] {
    const jobs = [...this.#waiting.values()].flat()
    this.#waiting.clear()
    this.#size = 0
    return jobs
  }
}
