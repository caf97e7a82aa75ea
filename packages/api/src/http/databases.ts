import { operations, ResourceName } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import { JackError } from '../Errors.ts'
import { parse } from '../Input.ts'
import type { Jack } from '../jack.ts'
import { findProject } from '../verbs/find-project.ts'
import { queryDatabase } from '../verbs/query-database.ts'
import type { Door } from './Door.ts'
import { route } from './route.ts'

export function databasesDoor(app: Hono<Door>, jack: Jack): void {
  const { data } = jack.engine

  route(app, jack, operations.listDatabases, async ({ payer, params }) => {
    const { projectId } = await findProject(jack, payer, params.project)
    const databases: { name: string; size_bytes: number }[] = []
    for (const name of (await data.databases(projectId)).toSorted()) {
      const [answer] = await data.query(projectId, name, [{ sql: 'select 1', params: [] }])
      databases.push({ name, size_bytes: answer?.meta.size_after ?? 0 })
    }
    return { databases }
  })

  route(app, jack, operations.queryDatabase, async ({ payer, params, body }) => {
    const project = await findProject(jack, payer, params.project)
    return queryDatabase(jack, project, nameOf(params.database), body)
  })

  route(app, jack, operations.exportDatabase, async ({ payer, params }) => {
    const { projectId } = await findProject(jack, payer, params.project)
    const name = nameOf(params.database)
    if (!(await data.databases(projectId)).includes(name)) {
      throw new JackError('not_found', `The project has no database "${name}".`, {
        next: [{ command: `jack db ls -p ${params.project}`, when: 'to see what it has' }],
      })
    }
    return { name, sql: await data.dump(projectId, name) }
  })
}

const nameOf = (name: string): string => parse(ResourceName, name, 'name of the database')
