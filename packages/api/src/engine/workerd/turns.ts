/**
 * Which version of a project has its data. Data has a single writer, so when another version's turn comes, who waits
 * for the one before is told to look again where traffic goes.
 */
export class Turns {
  readonly #owners = new Map<string, string>()
  readonly #taken = new Map<string, Promise<void>>()

  /** Whether the version may have the data now. The first that asks may. */
  has(projectId: string, deploymentId: string): boolean {
    const owner = this.#owners.get(projectId)
    if (owner === undefined && !this.#taken.has(projectId))
      this.#owners.set(projectId, deploymentId)
    return this.#owners.get(projectId) === deploymentId
  }

  /** Waits while another version is being tried. False when this one does not have the turn after that. */
  async wait(projectId: string, deploymentId: string): Promise<boolean> {
    while (!this.has(projectId, deploymentId)) {
      const taken = this.#taken.get(projectId)
      if (!taken) return false
      await taken
    }
    return true
  }

  /** Gives a version the turn, once it is nobody else's trial; the others wait until it is decided. */
  async take(projectId: string, deploymentId: string): Promise<Turn> {
    for (let taken = this.#taken.get(projectId); taken; taken = this.#taken.get(projectId))
      await taken
    const before = this.#owners.get(projectId)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#owners.set(projectId, deploymentId)
    this.#taken.set(projectId, promise)
    const end = (owner: string | undefined) => {
      if (this.#taken.get(projectId) !== promise) return
      this.#taken.delete(projectId)
      if (owner === undefined) this.#owners.delete(projectId)
      else this.#owners.set(projectId, owner)
      resolve()
    }
    return { keep: () => end(deploymentId), giveBack: () => end(before) }
  }

  forget(projectId: string): void {
    this.#owners.delete(projectId)
  }
}

export interface Turn {
  /** It stays this version's. */
  keep(): void
  /** It is again whose it was. After `keep` this does nothing. */
  giveBack(): void
}
