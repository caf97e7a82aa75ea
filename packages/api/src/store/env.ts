import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { JackError } from '../Errors.ts'
import type { Db } from './database.ts'

export interface EnvChange {
  changeId: bigint
  name: string
  action: 'set' | 'deleted'
  /** The token that was used. */
  tokenId: string | null
  at: Date
}

/** How many changes of a project are remembered. */
const changesKept = 1_000

/** Seals environment values at rest with AES-256-GCM, bound to their project and name. */
export class EnvStore {
  readonly #key: Buffer

  /** @param key 32 bytes */
  constructor(key: Buffer) {
    if (key.length !== 32) throw new RangeError('the encryption key must have 32 bytes')
    this.#key = key
  }

  /** Names and when they last changed, by name. */
  async names(db: Db, projectId: string): Promise<{ name: string; updatedAt: Date }[]> {
    const rows = await db
      .selectFrom('env_var')
      .select(['name', 'updated_at'])
      .where('project_id', '=', projectId)
      .orderBy('name')
      .execute()
    return rows.map((row) => ({ name: row.name, updatedAt: row.updated_at }))
  }

  /** All values in the clear, for the engine alone. */
  async read(db: Db, projectId: string): Promise<Record<string, string>> {
    const rows = await db
      .selectFrom('env_var')
      .select(['name', 'sealed'])
      .where('project_id', '=', projectId)
      .execute()
    return Object.fromEntries(
      rows.map((row) => [row.name, this.open(`${projectId}/${row.name}`, row.sealed)]),
    )
  }

  /** Sets what has a value, deletes what is null, leaves the rest. Throws `invalid_request` beyond `maxNames`. */
  async merge(
    db: Db,
    projectId: string,
    changes: Record<string, string | null>,
    { maxNames, tokenId }: { maxNames: number; tokenId: string | null },
  ): Promise<void> {
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) {
        const { numDeletedRows } = await db
          .deleteFrom('env_var')
          .where('project_id', '=', projectId)
          .where('name', '=', name)
          .executeTakeFirstOrThrow()
        if (numDeletedRows > 0n) await this.#note(db, projectId, name, 'deleted', tokenId)
        continue
      }
      const sealed = this.seal(`${projectId}/${name}`, value)
      await db
        .insertInto('env_var')
        .values({ project_id: projectId, name, sealed })
        .onConflict((it) =>
          it.columns(['project_id', 'name']).doUpdateSet({ sealed, updated_at: new Date() }),
        )
        .execute()
      await this.#note(db, projectId, name, 'set', tokenId)
    }
    await this.#trimHistory(db, projectId)
    const { count } = await db
      .selectFrom('env_var')
      .select((it) => it.fn.countAll<bigint>().as('count'))
      .where('project_id', '=', projectId)
      .executeTakeFirstOrThrow()
    if (count > BigInt(maxNames)) {
      throw new JackError(
        'invalid_request',
        `A project can have ${maxNames} environment variables.`,
      )
    }
  }

  /** Who set or deleted which name when, newest first; `before` is the last one seen. */
  async history(
    db: Db,
    projectId: string,
    page: { limit: number; before?: bigint | undefined },
  ): Promise<EnvChange[]> {
    const rows = await db
      .selectFrom('env_change')
      .selectAll()
      .where('project_id', '=', projectId)
      .$if(page.before !== undefined, (it) => it.where('change_id', '<', page.before as bigint))
      .orderBy('change_id', 'desc')
      .limit(page.limit)
      .execute()
    return rows.map((row) => ({
      changeId: row.change_id,
      name: row.name,
      action: row.action,
      tokenId: row.token_id,
      at: row.at,
    }))
  }

  async #note(
    db: Db,
    projectId: string,
    name: string,
    action: EnvChange['action'],
    tokenId: string | null,
  ): Promise<void> {
    await db
      .insertInto('env_change')
      .values({ project_id: projectId, name, action, token_id: tokenId })
      .execute()
  }

  async #trimHistory(db: Db, projectId: string): Promise<void> {
    await db
      .deleteFrom('env_change')
      .where('project_id', '=', projectId)
      .where('change_id', '<=', ({ selectFrom }) =>
        selectFrom('env_change as newest')
          .select('newest.change_id')
          .where('newest.project_id', '=', projectId)
          .orderBy('newest.change_id', 'desc')
          .offset(changesKept)
          .limit(1),
      )
      .execute()
  }

  keyCheck(): string {
    return keyCheck(this.#key)
  }

  /** @param context must be the same to open it again */
  seal(context: string, value: string): Buffer {
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(context))
    const text = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()])
    return Buffer.concat([nonce, cipher.getAuthTag(), text])
  }

  open(context: string, sealed: Buffer): string {
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, 12))
      .setAAD(Buffer.from(context))
      .setAuthTag(sealed.subarray(12, 28))
    return decipher.update(sealed.subarray(28), undefined, 'utf8') + decipher.final('utf8')
  }
}

/** Tells a key from any other, and tells nobody the key. */
export const keyCheck = (key: Buffer): string =>
  createHash('sha256').update('jack encryption key ').update(key).digest('hex').slice(0, 16)
