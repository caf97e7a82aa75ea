import { type ClaimingWallet, requireClaim } from './claim.ts'
import { events } from './events.ts'
import { type Connection, type Fetch, type Outgoing, open, send, sleep } from './fetch.ts'
import { importSql } from './importSql.ts'
import { JackError } from './JackError.ts'
import { type FileBytes, multipart } from './multipart.ts'
import { type Answer, type Input, type Query, routes } from './operations.ts'
import { walletOf } from './wallet/index.ts'
import type { WalletOptions } from './wallet/wallet.ts'
import type { LogEntry } from './wire/Log.ts'
import type { OperationName } from './wire/operations.ts'
import type { Bill } from './wire/Receipt.ts'

export interface JackOptions extends Partial<WalletOptions> {
  /** Where the API answers. Default: a Jack Cloud on this machine, "http://127.0.0.1:8787". */
  url?: string | undefined
  /** A token ("jkt_..."). */
  token?: string | undefined
  /** Sends the requests. Default: the platform's. */
  fetch?: Fetch | undefined
  /** The longest that one attempt may take, in milliseconds. Default: 120,000. */
  timeoutMs?: number | undefined
  /** Attempts after the first, after network failures, 429, 502, 503 and 504. Default: 3. */
  retries?: number | undefined
}

export interface CallOptions {
  /** Gives up; the call rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

export interface PostOptions extends CallOptions {
  /** Names the work, so that it is done and paid once however often it is sent. Default: a new one for each call. */
  idempotencyKey?: string | undefined
}

export const defaultUrl = 'http://127.0.0.1:8787'

export type Jack = ReturnType<typeof createJack>

/**
 * A client of Jack. Every method resolves with the API's answer or rejects with a `JackError`.
 *
 * @example
 * const jack = createJack({ token: 'jkt_...' })
 * const { result } = await jack.execute({ code: 'export const run = (n) => n * 2', input: 21 }) // 42
 */
export function createJack(options: JackOptions = {}) {
  const plain = connect(options)
  const { url } = plain
  const wallet = walletOf({ localRpcUrl: () => localRpcUrl(plain), ...options })
  const connection = { ...plain, payer: wallet?.payer }

  /** One operation: path parameters in their order, and what goes with them. */
  function call<Name extends OperationName>(
    name: Name,
    parameters: string[],
    rest: Partial<Outgoing> = {},
  ): Promise<Answer<Name>> {
    return send<Answer<Name>>(connection, { ...rest, ...outgoing(name, parameters) })
  }

  return {
    /** Where the API answers. */
    url,

    /** What pays, when there is an `account`. */
    wallet: wallet?.own,

    /** Runs a program once in a fresh isolate and answers what its `run` returned. */
    execute: (request: Input<'execute'>, { signal, idempotencyKey }: PostOptions = {}) =>
      call('execute', [], { json: request, signal, idempotencyKey }),

    /** Bundles source files on the server and puts them on a live URL. */
    deploy: (request: Input<'deploy'>, { signal, idempotencyKey }: PostOptions = {}) =>
      call('deploy', [], { json: request, signal, idempotencyKey }),

    /** What an execution or a deploy would cost. Nothing is kept or charged. */
    quote: (request: Input<'quote'>, { signal, idempotencyKey }: PostOptions = {}) =>
      call('quote', [], { json: request, signal, idempotencyKey }),

    /** Who the caller is. */
    me: ({ signal }: CallOptions = {}) => call('me', [], { signal }),

    /** What the account can spend. */
    balance: ({ signal }: CallOptions = {}) => call('balance', [], { signal }),

    /** Adds to a balance, one's own or that of any project's owner, and resumes what waits for it. */
    addBalance: (request: Input<'addBalance'>, { signal, idempotencyKey }: PostOptions = {}) =>
      call('addBalance', [], { json: request, signal, idempotencyKey }),

    /** How wallets pay here, and what things cost. */
    paymentTerms: ({ signal }: CallOptions = {}) => call('paymentTerms', [], { signal }),

    sessions: {
      /** One page of payment sessions, newest first: what is deposited, authorized and spent. */
      list: (query: Query<'listSessions'> = {}, { signal }: CallOptions = {}) =>
        call('listSessions', [], { query, signal }),

      /** Closes a session, by its id or its channel's: what is not spent goes back to the payer. */
      close: (session: string, { signal, idempotencyKey }: PostOptions = {}) =>
        call('closeSession', [session], { signal, idempotencyKey }),
    },

    /** What all projects used over time, what it costs, and how long the balance lasts. */
    usage: (query: Query<'accountUsage'> = {}, { signal }: CallOptions = {}) =>
      call('accountUsage', [], { query, signal }),

    /** One page of everything that moved money, newest first. */
    receipts: (query: Query<'listReceipts'> = {}, { signal }: CallOptions = {}) =>
      call('listReceipts', [], { query, signal }),

    /** Everything that moved money, newest first, page by page. */
    allReceipts: (query: Query<'listReceipts'> = {}, { signal }: CallOptions = {}) =>
      pages('receipts', query, (page) => call('listReceipts', [], { query: page, signal })),

    /** What all receipts add up to at one moment, signed. */
    statement: ({ signal }: CallOptions = {}) => call('getStatement', [], { signal }),

    /** The public keys that receipts are signed with, the present one first. */
    receiptKeys: ({ signal }: CallOptions = {}) => call('listReceiptKeys', [], { signal }),

    /**
     * Every receipt with what it takes to verify them without asking anybody: `verifyBill` of `@jackcloud/sdk/wire`
     * recomputes it.
     */
    bill: async ({ signal }: CallOptions = {}): Promise<Bill> => {
      const statement = await call('getStatement', [], { signal })
      const { keys } = await call('listReceiptKeys', [], { signal })
      const receipts: Bill['receipts'] = []
      const query = { order: 'asc', limit: 500 } as const
      const list = (page: Query<'listReceipts'>) =>
        call('listReceipts', [], { query: page, signal })
      // Whatever came after the statement is of the next bill.
      if (statement.position > 0)
        for await (const it of pages('receipts', query as Query<'listReceipts'>, list)) {
          receipts.push(it)
          if (it.position >= statement.position) break
        }
      return { format: 1, statement, receipts, keys }
    },

    projects: {
      list: (query: Query<'listProjects'> = {}, { signal }: CallOptions = {}) =>
        call('listProjects', [], { query, signal }),

      /** Every project, newest first, page by page. */
      all: (query: Query<'listProjects'> = {}, { signal }: CallOptions = {}) =>
        pages('projects', query, (page) => call('listProjects', [], { query: page, signal })),

      create: (request: Input<'createProject'>, { signal, idempotencyKey }: PostOptions = {}) =>
        call('createProject', [], { json: request, signal, idempotencyKey }),

      /** A project by name or id. */
      get: (project: string, { signal }: CallOptions = {}) =>
        call('getProject', [project], { signal }),

      update: (project: string, change: Input<'updateProject'>, { signal }: CallOptions = {}) =>
        call('updateProject', [project], { json: change, signal }),

      /** Gives a project its whole time again, also one that expired and is still kept. */
      renew: (
        project: string,
        request: Input<'renewProject'> = {},
        { signal, idempotencyKey }: PostOptions = {},
      ) => call('renewProject', [project], { json: request, signal, idempotencyKey }),

      /** Lets a suspended project answer again, when what suspended it is over. */
      resume: (project: string, { signal, idempotencyKey }: PostOptions = {}) =>
        call('resumeProject', [project], { signal, idempotencyKey }),

      /**
       * A project as a tar.gz: its folder as it can be deployed again, its data, and what is known of it. The stream
       * fails when it breaks off before its end.
       */
      export: (
        project: string,
        { signal }: CallOptions = {},
      ): Promise<ReadableStream<Uint8Array>> =>
        open(
          connection,
          { ...outgoing('exportProject', [project]), accept: 'application/gzip', signal },
          async (response) => response.body as ReadableStream<Uint8Array>,
        ),

      /** Deletes a project and everything in it. */
      delete: (project: string, { signal }: CallOptions = {}) =>
        call('deleteProject', [project], { signal }),

      /**
       * Deploys modules and static files that are bundled already. `files` holds the bytes of every sha256 that the
       * manifest names. `deployFolder` of `@jackcloud/sdk/node` does all of it for a folder.
       */
      upload: (
        project: string,
        manifest: Input<'upload'>,
        files: ReadonlyMap<string, FileBytes>,
        { signal, idempotencyKey = crypto.randomUUID() }: PostOptions = {},
      ) => {
        const body = multipart(`jack-${crypto.randomUUID()}`, { manifest }, files)
        return call('upload', [project], { body, signal, idempotencyKey })
      },

      /** One page of a project's versions, newest first. */
      deployments: (
        project: string,
        query: Query<'listDeployments'> = {},
        { signal }: CallOptions = {},
      ) => call('listDeployments', [project], { query, signal }),

      /** Every version of a project, newest first, page by page. */
      allDeployments: (
        project: string,
        query: Query<'listDeployments'> = {},
        { signal }: CallOptions = {},
      ) =>
        pages('deployments', query, (page) =>
          call('listDeployments', [project], { query: page, signal }),
        ),

      /** Makes a version live. */
      promote: (
        project: string,
        deployment: string,
        { signal, idempotencyKey }: PostOptions = {},
      ) => call('promote', [project, deployment], { signal, idempotencyKey }),

      /** Goes back to the version that was live before, or to a given one. */
      rollback: (
        project: string,
        request: Input<'rollback'> = {},
        { signal, idempotencyKey }: PostOptions = {},
      ) => call('rollback', [project], { json: request, signal, idempotencyKey }),

      /** One page of stored log lines, oldest first. */
      logs: (project: string, query: Query<'getLogs'> = {}, { signal }: CallOptions = {}) =>
        call('getLogs', [project], { query, signal }),

      /** Log lines as they come, across lost connections, until `signal` or a `break` ends it. */
      followLogs: (
        project: string,
        query: Query<'getLogs'> & { lastEventId?: string | undefined } = {},
        { signal }: CallOptions = {},
      ) => follow(connection, outgoing('getLogs', [project]), query, signal),

      /** What it used over time, what it costs, and how long the balance lasts. */
      usage: (project: string, query: Query<'getUsage'> = {}, { signal }: CallOptions = {}) =>
        call('getUsage', [project], { query, signal }),

      /** The schedule of what is live: when each is due next, and how it went last. */
      crons: (project: string, { signal }: CallOptions = {}) =>
        call('listCrons', [project], { signal }),

      /** Calls the scheduled handler of what is live now. `cron` may be left out when there is only one. */
      runCron: (
        project: string,
        request: Input<'runCron'> = {},
        { signal, idempotencyKey }: PostOptions = {},
      ) => call('runCron', [project], { json: request, signal, idempotencyKey }),

      /** Names of environment variables; their values are never told. */
      env: (project: string, { signal }: CallOptions = {}) => call('getEnv', [project], { signal }),

      /** Merges variables into the environment; `null` deletes one. */
      updateEnv: (
        project: string,
        env: Record<string, string | null>,
        { signal }: CallOptions = {},
      ) => call('updateEnv', [project], { json: { env }, signal }),

      /** Which variables were set or deleted when, newest first. */
      envHistory: (
        project: string,
        query: Query<'getEnvHistory'> = {},
        { signal }: CallOptions = {},
      ) => call('getEnvHistory', [project], { query, signal }),
    },

    databases: {
      /** The databases of a project, with their sizes. */
      list: (project: string, { signal }: CallOptions = {}) =>
        call('listDatabases', [project], { signal }),

      /** Runs SQL in one transaction: many statements, or with parameters. Makes the database when it is new. */
      query: (
        project: string,
        database: string,
        request: Input<'queryDatabase'>,
        { signal, idempotencyKey }: PostOptions = {},
      ) => call('queryDatabase', [project, database], { json: request, signal, idempotencyKey }),

      /** A whole database as SQL. */
      export: (project: string, database: string, { signal }: CallOptions = {}) =>
        call('exportDatabase', [project, database], { signal }),

      /**
       * Runs an SQL text of any size, in transactions of about half a megabyte. Answers how many statements it has.
       * Rejects with the first failure; what was done before it is kept, `fields.statements_done` says how much.
       */
      import: (project: string, database: string, sql: string, { signal }: CallOptions = {}) =>
        importSql(sql, (batch) =>
          call('queryDatabase', [project, database], { json: { batch }, signal }),
        ),
    },

    /**
     * Source files that are sent in pieces and wait for `deploy({ name, staged: true })`. They belong to a name, which
     * need not be a project yet, and are kept for a day.
     */
    files: {
      /** Puts files into the stage; with `append`, adds to those that are there. */
      put: (
        project: string,
        request: Input<'stageFiles'>,
        { signal, idempotencyKey }: PostOptions = {},
      ) => call('stageFiles', [project], { json: request, signal, idempotencyKey }),

      list: (project: string, query: Query<'listStaged'> = {}, { signal }: CallOptions = {}) =>
        call('listStaged', [project], { query, signal }),

      /** Every staged file, by path, page by page. */
      all: (project: string, query: Query<'listStaged'> = {}, { signal }: CallOptions = {}) =>
        pages('files', query, (page) => call('listStaged', [project], { query: page, signal })),

      /** A file from `offset` on, at most `limit` bytes. */
      read: (
        project: string,
        path: string,
        query: Omit<Query<'readStaged'>, 'path'> = {},
        { signal }: CallOptions = {},
      ) => call('readStaged', [project], { query: { ...query, path }, signal }),

      /** Removes one file, or without a path all of them. */
      delete: (project: string, path?: string, { signal }: CallOptions = {}) =>
        call('unstageFiles', [project], { query: { path }, signal }),
    },

    claims: {
      /** What a wallet has to sign so that its projects become those of this account. */
      prepare: (request: Input<'prepareClaim'>, { signal, idempotencyKey }: PostOptions = {}) =>
        call('prepareClaim', [], { json: request, signal, idempotencyKey }),

      /** Attaches them, by the signature of that message. */
      complete: (request: Input<'claim'>, { signal, idempotencyKey }: PostOptions = {}) =>
        call('claim', [], { json: request, signal, idempotencyKey }),

      /**
       * Attaches what a wallet deployed to this account: all of it, or the projects that are named. The wallet signs a
       * message, which costs nothing. Throws `bad_answer` when the server asks it to sign anything else.
       */
      attach: async (
        account: ClaimingWallet,
        projects: string[] | undefined,
        { signal }: CallOptions = {},
      ) => {
        const { slug } = await call('me', [], { signal })
        const { address } = account
        const prepared = await call('prepareClaim', [], {
          json: { address, ...(projects && { projects }) },
          signal,
        })
        requireClaim(prepared.message, { url, address, slug })
        const signature = await account.signMessage({ message: prepared.message })
        const json = { nonce: prepared.nonce, signature }
        return call('claim', [], { json, signal })
      },
    },

    tokens: {
      list: (query: Query<'listTokens'> = {}, { signal }: CallOptions = {}) =>
        call('listTokens', [], { query, signal }),

      all: (query: Query<'listTokens'> = {}, { signal }: CallOptions = {}) =>
        pages('tokens', query, (page) => call('listTokens', [], { query: page, signal })),

      /** The answer holds the token itself, this once. */
      create: (request: Input<'createToken'>, { signal, idempotencyKey }: PostOptions = {}) =>
        call('createToken', [], { json: request, signal, idempotencyKey }),

      /** By id. The token ends at once. */
      revoke: (token: string, { signal }: CallOptions = {}) =>
        call('revokeToken', [token], { signal }),

      /** A token for an hour, by an OpenID Connect token of a CI that a project trusts. */
      exchange: (request: Input<'exchangeToken'>, { signal }: CallOptions = {}) =>
        call('exchangeToken', [], { json: request, signal }),
    },

    trusts: {
      list: (query: Query<'listTrusts'> = {}, { signal }: CallOptions = {}) =>
        call('listTrusts', [], { query, signal }),

      all: (query: Query<'listTrusts'> = {}, { signal }: CallOptions = {}) =>
        pages('trusts', query, (page) => call('listTrusts', [], { query: page, signal })),

      /** Runs of a CI get tokens for one project from now on. */
      create: (request: Input<'createTrust'>, { signal, idempotencyKey }: PostOptions = {}) =>
        call('createTrust', [], { json: request, signal, idempotencyKey }),

      /** By id. Every token that was got by it ends at once. */
      delete: (trust: string, { signal }: CallOptions = {}) =>
        call('deleteTrust', [trust], { signal }),
    },

    /** One page of who changed what with which token, the latest first. */
    audit: (query: Query<'listAudit'> = {}, { signal }: CallOptions = {}) =>
      call('listAudit', [], { query, signal }),
  }
}

/** Where the chain of a cloud on this machine answers. No other cloud is believed: whoever names the node sees the wallet. */
async function localRpcUrl(connection: Connection): Promise<string> {
  const { hostname } = new URL(connection.url)
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) {
    throw new JackError(
      'payment_required',
      `${connection.url} wants to be paid on a local chain.`,
      {
        hint: 'Money is worth nothing there. If it is yours, set JACK_RPC_URL to its node.',
      },
    )
  }
  const { chain } = await send<Answer<'paymentTerms'>>(connection, outgoing('paymentTerms', []))
  if (chain?.rpc_url) return chain.rpc_url
  throw new JackError('bad_answer', `${connection.url} does not say where its chain answers.`)
}

function connect(options: JackOptions): Connection {
  const given = options.url ?? defaultUrl
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new JackError('usage', `"${redactUrl(given)}" is not a URL of a Jack Cloud.`, {
      hint: `It looks like ${defaultUrl} or https://jack.example.com, without a user name.`,
    })
  }
  if (options.token !== undefined && !/^[\x21-\x7e]+$/.test(options.token)) {
    throw new JackError('usage', 'The token holds characters that no token has.', {
      hint: 'Look for a line break or a space around it.',
    })
  }
  return {
    url: `${url.origin}${url.pathname.replace(/\/+$/, '')}`,
    token: options.token,
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    timeoutMs: options.timeoutMs ?? 120_000,
    retries: options.retries ?? 3,
    backoffMs: 200,
  }
}

const redactUrl = (url: string): string => url.replace(/\/\/[^/]*@/, '//').slice(0, 200)

function outgoing(name: OperationName, parameters: string[]): Pick<Outgoing, 'method' | 'path'> {
  const [method, template] = routes[name]
  let next = 0
  const path = template.replace(/:(\w+)/g, (_, parameter: string) => {
    const value = parameters[next++] ?? ''
    // A dot segment would make another path of it.
    if (value === '' || value === '.' || value === '..') {
      throw new JackError('usage', `"${value}" is not the name or id of a ${parameter}.`)
    }
    return encodeURIComponent(value)
  })
  return { method, path }
}

/** The items of all pages, one after the other. */
async function* pages<
  Field extends string,
  Item,
  Page extends Record<Field, Item[]> & { next_cursor: string | null },
  Asked extends { cursor?: string | undefined },
>(
  field: Field,
  query: Asked,
  list: (query: Asked) => Promise<Page>,
): AsyncGenerator<Page[Field][number]> {
  for (let asked = query; ; ) {
    const page = await list(asked)
    yield* page[field]
    if (!page.next_cursor) return
    asked = { ...asked, cursor: page.next_cursor }
  }
}

/** How long a followed stream may be silent; the API sends a sign of life every 15 s. */
const silenceMs = 60_000

async function* follow(
  connection: Connection,
  route: Pick<Outgoing, 'method' | 'path'>,
  { lastEventId, ...query }: Query<'getLogs'> & { lastEventId?: string | undefined },
  signal?: AbortSignal,
): AsyncGenerator<LogEntry> {
  let last = lastEventId
  // Whoever has heard from the server before waits while it is started anew.
  const most = () => (last === undefined ? connection.retries + 3 : connection.retries + 100)
  for (let failures = 0; ; failures++) {
    const silence = new AbortController()
    let timer = setTimeout(() => silence.abort(), silenceMs)
    const heard = () => {
      clearTimeout(timer)
      timer = setTimeout(() => silence.abort(), silenceMs)
    }
    try {
      const body = await open(
        connection,
        {
          ...route,
          query,
          accept: 'text/event-stream',
          headers: last === undefined ? {} : { 'last-event-id': last },
          signal: signal ? AbortSignal.any([signal, silence.signal]) : silence.signal,
        },
        async (response) => response.body,
      )
      for await (const event of body ? events(body, heard) : []) {
        failures = 0
        if (event.id) last = event.id
        if (event.event === 'message' || event.event === 'log') yield JSON.parse(event.data)
      }
    } catch (error) {
      if (signal?.aborted) return
      if (error instanceof JackError && !mayComeBack(error)) throw error
      if (failures >= most()) throw error
    } finally {
      clearTimeout(timer)
      silence.abort()
    }
    if (signal?.aborted) return
    await sleep(
      Math.random() * Math.min(5_000, connection.backoffMs * 2 ** failures),
      signal,
    ).catch(() => {})
    if (signal?.aborted) return
  }
}

const mayComeBack = (error: JackError): boolean =>
  ['network', 'timeout', 'unavailable', 'rate_limited', 'internal'].includes(error.code)
