import { limits, type QueryDatabase, type QueryResults, statementsOf } from '@jackcloud/sdk/wire'
import { JackError } from '../Errors.ts'
import type { Query } from '../engine/Engine.ts'
import type { Jack } from '../jack.ts'
import { isExpired, type Project } from '../Project.ts'
import { stillSuspended } from '../Suspension.ts'

/**
 * Runs SQL on a database of a project in one transaction, whether a version of it runs or not. Its rows are counted as
 * those of the project's own queries.
 *
 * Throws `invalid_request` with what the database says; `output_too_large` when it was done and only its results are
 * too large; and what a project that has nothing left to spend throws.
 */
export async function queryDatabase(
  jack: Jack,
  project: Project,
  database: string,
  request: QueryDatabase,
): Promise<QueryResults> {
  const queries = queriesOf(request)
  // One that was stopped for what it keeps must be able to delete something.
  if (project.suspension && project.suspension.code !== 'runaway')
    throw stillSuspended(project, project.suspension)
  if (isExpired(project, jack.now())) {
    throw new JackError('gone', 'This project has reached the end of its time.', {
      next: [{ command: `jack renew ${project.name}`, when: 'to have it back' }],
    })
  }
  await requireRoom(jack, project, database)
  const results = await jack.engine.data.query(project.projectId, database, queries)
  const answer = {
    results: results.map(({ columns, rows, meta }) => ({
      columns,
      rows,
      rows_read: meta.rows_read,
      rows_written: meta.rows_written,
      changes: meta.changes,
    })),
    size_bytes: results.at(-1)?.meta.size_after ?? 0,
  }
  if (JSON.stringify(answer).length > limits.databases.resultBytes) {
    throw new JackError(
      'output_too_large',
      `The results are larger than ${limits.databases.resultBytes} bytes.`,
      { hint: 'Everything was done. Ask for less at a time: "limit 1000".' },
    )
  }
  return answer
}

/** Each statement by itself: so each has a result, and its rows are counted. */
function queriesOf(request: QueryDatabase): Query[] {
  const given = 'batch' in request ? request.batch : [request]
  const queries = given.flatMap(({ sql, params = [] }): Query[] => {
    const statements = statementsOf(sql)
    if (params.length === 0) return statements.map((it) => ({ sql: it, params }))
    if (statements.length === 1) return [{ sql, params }]
    throw new JackError('invalid_request', 'Parameters are for one statement, not for many.', {
      hint: 'Send a batch of statements with parameters each.',
    })
  })
  if (queries.length === 0) throw new JackError('invalid_request', 'There is no SQL in it.')
  const long = queries.findIndex(
    ({ sql }) => Buffer.byteLength(sql) > limits.databases.statementBytes,
  )
  if (long >= 0) {
    throw new JackError(
      'invalid_request',
      `Statement ${long + 1} is longer than ${limits.databases.statementBytes} bytes.`,
      { hint: 'Make several of it, or use parameters.' },
    )
  }
  return queries
}

async function requireRoom(jack: Jack, { projectId }: Project, database: string): Promise<void> {
  const known = await jack.engine.data.databases(projectId)
  if (known.includes(database) || known.length < limits.databases.count) return
  throw new JackError('conflict', `A project can have ${limits.databases.count} databases.`)
}
