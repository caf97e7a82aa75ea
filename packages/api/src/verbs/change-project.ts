import type { Jack } from '../jack.ts'
import type { Db } from '../store/database.ts'
import { projectChanged } from '../store/notices.ts'

/**
 * A transaction that changes what a project's host leads to. Gateways forget what they knew: the one here before this
 * resolves, those of other replicas as soon as they hear of it.
 */
export async function changeProject<T>(
  jack: Jack,
  label: string,
  work: (db: Db) => Promise<T>,
): Promise<T> {
  const result = await jack.db.transaction().execute(async (db) => {
    const changed = await work(db)
    await projectChanged(db, label)
    return changed
  })
  jack.routes.forget(label)
  jack.payers.forget()
  return result
}
