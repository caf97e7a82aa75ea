import type { App } from '../Engine.ts'
import { d1Module, kvModule } from './stateModules.ts'
import { quote } from './text.ts'

/** What a config says about the data of a project: bindings of the app, and the services behind them. */
export interface StateConfig {
  bindings: string[]
  /** Fields of the app's own worker, for its Durable Objects. */
  worker: string[]
  services: string[]
  sockets: string[]
  /** Classes that the app's first module must export. */
  classes: string[]
  files: Record<string, string>
}

/**
 * Every service here keeps its data as SQLite databases below one directory, the project's own, and is workerd's own
 * implementation (`workerd.capnp`, `Worker.Module.bundled`). A Durable Object's data is found by the name of its class,
 * everything else by the name that the binding gives it.
 *
 * @param withDatabases brings D1 along though no binding names it
 */
export function stateConfig(
  { bindings, queueConsumers }: Pick<App, 'bindings' | 'queueConsumers'>,
  withDatabases = false,
): StateConfig {
  const classes = [
    ...new Set(bindings.flatMap((it) => (it.type === 'durable_object' ? [it.class_name] : []))),
  ].sort()
  const has = (type: App['bindings'][number]['type']) => bindings.some((it) => it.type === type)
  const services = [
    '(name = "state", disk = (writable = true))',
    ...(has('kv') ? [kvService] : []),
    ...(has('d1') || withDatabases ? [d1Service] : []),
    ...(has('queue') || queueConsumers.length > 0 ? [queueService(queueConsumers)] : []),
  ]
  const databases = services.includes(d1Service)
  const keeps = services.length > 1 || classes.length > 0
  return {
    bindings: bindings.flatMap(bindingOf),
    worker:
      classes.length === 0
        ? []
        : [
            `durableObjectNamespaces = [${classes.map((name) => objects(name, `do-${name}`)).join(', ')}]`,
            'durableObjectStorage = (localDisk = "state")',
          ],
    services: keeps ? services : [],
    sockets: databases
      ? ['(name = "databases", http = (), service = (name = "d1", entrypoint = "Databases"))']
      : [],
    classes,
    files: {
      ...(databases && { 'jack-d1.js': d1Module }),
      ...(has('kv') && { 'jack-kv.js': kvModule }),
    },
  }
}

function bindingOf(binding: App['bindings'][number]): string[] {
  const name = quote(binding.name)
  switch (binding.type) {
    case 'kv':
      return [
        `(name = ${name}, kvNamespace = (name = "kv", ${props({ namespace: binding.namespace })}))`,
      ]
    case 'd1':
      return [
        `(name = ${name}, wrapped = (moduleName = "cloudflare-internal:d1-api", innerBindings = [` +
          `(name = "fetcher", service = (name = "d1", ${props({ database: binding.database })}))]))`,
      ]
    case 'durable_object':
      return [`(name = ${name}, durableObjectNamespace = ${quote(binding.class_name)})`]
    case 'queue':
      return [`(name = ${name}, queue = (name = "queues", ${props({ queue: binding.queue })}))`]
    case 'service':
      return []
  }
}

const objects = (className: string, key: string) =>
  `(className = ${quote(className)}, uniqueKey = ${quote(key)}, enableSql = true)`

const props = (value: Record<string, string>) => `props = (json = ${quote(JSON.stringify(value))})`

const storage = (className: string, key: string) =>
  `durableObjectNamespaces = [${objects(className, key)}], durableObjectStorage = (localDisk = "state")`

const common = (flags: string[]) =>
  `compatibilityDate = "2026-05-01", compatibilityFlags = [${['experimental', ...flags].map(quote).join(', ')}], globalOutbound = "internet"`

const kvService = `(name = "kv", worker = (
  modules = [(name = "jack-kv.js", esModule = embed "jack-kv.js"), (name = "kv.js", bundled = "/workerd/kv.js")], ${common([])},
  bindings = [(name = "SHARD", durableObjectNamespace = "KVNamespace"), (name = "BLOBS", service = "state")],
  ${storage('KVNamespace', 'kv')}))`

const d1Service = `(name = "d1", worker = (
  modules = [(name = "jack-d1.js", esModule = embed "jack-d1.js"), (name = "d1.js", bundled = "/workerd/d1.js")], ${common([])},
  bindings = [(name = "DATABASE", durableObjectNamespace = "CountedDatabase")],
  ${storage('CountedDatabase', 'd1')}))`

function queueService(consumers: App['queueConsumers']): string {
  const settings = Object.fromEntries(
    consumers.map((it) => [
      it.queue,
      {
        consumer: 'APP',
        ...(it.max_batch_size !== undefined && { maxBatchSize: it.max_batch_size }),
        ...(it.max_batch_timeout !== undefined && { maxBatchTimeout: it.max_batch_timeout }),
        ...(it.max_retries !== undefined && { maxRetries: it.max_retries }),
        ...(it.retry_delay !== undefined && { retryDelay: it.retry_delay }),
        ...(it.max_concurrency !== undefined && { maxConcurrency: it.max_concurrency }),
        ...(it.dead_letter_queue !== undefined && { deadLetterQueue: it.dead_letter_queue }),
      },
    ]),
  )
  const app = consumers.length > 0 ? ', (name = "APP", service = "app")' : ''
  return `(name = "queues", worker = (
  modules = [(name = "queues.js", bundled = "/workerd/queues.js")], ${common(['service_binding_extra_handlers'])},
  bindings = [(name = "SHARD", durableObjectNamespace = "QueueShard"), (name = "CONSUMERS", json = ${quote(JSON.stringify(settings))})${app}],
  ${storage('QueueShard', 'queue')}))`
}
