import { createHash } from 'node:crypto'
import type { App, Module } from '../Engine.ts'
import { appEntry, controlModule, hostModule } from './modules.ts'
import { REQUESTS_MODULE, requestModule } from './requestModule.ts'
import { stateConfig } from './stateConfig.ts'
import { quote } from './text.ts'

/** A workerd config before it is compiled: its text, and the files that the text embeds. */
export interface Config {
  text: string
  files: Record<string, string | Uint8Array>
}

/** The process that runs executions: a host that loads each program into an isolate of its own. */
export function executeConfig(memoryMb: number): Config {
  return {
    files: { 'host.js': hostModule },
    text: config(
      [
        `(name = "host", worker = (
  modules = [(name = "host.js", esModule = embed "host.js")],
  compatibilityDate = "2026-05-01", compatibilityFlags = ["experimental"],
  bindings = [(name = "LOADER", workerLoader = ())],
  globalOutbound = "internet"))`,
      ],
      ['(name = "http", http = (), service = "host")'],
      memoryMb,
    ),
  }
}

/** The process that hosts one version of an app. Holds names of its variables, not one value. */
export function appConfig(app: App): Config {
  const state = stateConfig(app)
  const requests = freeName(app.modules, REQUESTS_MODULE)
  const files: Config['files'] = {
    ...state.files,
    'entry.js': appEntry(app.main, requests, handlersOf(app), state.classes),
    'requests.js': requestModule,
    'control.js': controlModule,
  }
  const modules = app.modules.map((module, i) => {
    files[`m${i}`] = module.bytes
    return `(name = ${quote(module.name)}, ${moduleField[module.type]} = embed "m${i}")`
  })
  const entry = `(name = ${quote(freeName(app.modules, 'jack-entry.js'))}, esModule = embed "entry.js")`
  modules.push(`(name = ${quote(requests)}, esModule = embed "requests.js")`)
  const bindings = environmentNames(app).map(
    ([name, variable]) => `(name = ${quote(name)}, fromEnvironment = "${variable}")`,
  )
  for (const [name, value] of Object.entries(app.json ?? {}))
    bindings.push(`(name = ${quote(name)}, json = ${quote(JSON.stringify(value))})`)
  bindings.push(...state.bindings)
  if (app.assetsBinding) bindings.push(`(name = ${quote(app.assetsBinding)}, service = "assets")`)
  const called = calledBy(app)
  for (const it of app.bindings)
    if (it.type === 'service')
      bindings.push(`(name = ${quote(it.name)}, service = "service${called.indexOf(it.service)}")`)
  const fields = [
    `modules = [${[entry, ...modules].join(', ')}]`,
    `compatibilityDate = ${quote(app.compatibilityDate)}`,
    `compatibilityFlags = [${flagsOf(app).map(quote).join(', ')}]`,
    `bindings = [${bindings.join(', ')}]`,
    'globalOutbound = "outbound"',
    'cacheApiOutbound = (name = "control", entrypoint = "Cache")',
    ...state.worker,
  ]
  const services = [
    `(name = "app", worker = (${fields.join(',\n  ')}))`,
    `(name = "control", worker = (
  modules = [(name = "control.js", esModule = embed "control.js")], compatibilityDate = "2026-05-01",
  compatibilityFlags = ["experimental", "service_binding_extra_handlers"],
  bindings = [(name = "APP", service = "app")], globalOutbound = "internet"))`,
    app.egress?.length === 0
      ? worker('outbound', quote(noOutbound))
      : '(name = "outbound", external = (address = "unix:outbound.sock", http = (style = proxy)))',
    ...state.services,
    ...called.map(
      (_, i) => `(name = "service${i}", external = (address = "unix:service${i}.sock", http = ()))`,
    ),
  ]
  const extensions = importsMail(app.modules) ? [mailExtension] : []
  if (extensions.length > 0) files['email.js'] = mailModule
  if (app.assetsBinding)
    services.push('(name = "assets", external = (address = "unix:assets.sock", http = ()))')
  return {
    files,
    text: config(
      services,
      [
        '(name = "http", http = (), service = "app")',
        '(name = "control", http = (), service = "control")',
        ...state.sockets,
      ],
      app.limits.memoryMb,
      extensions,
    ),
  }
}

/** The projects that it calls by service bindings; each has a socket of its own, `service0.sock` and so on. */
export const calledBy = ({ bindings }: Pick<App, 'bindings'>): string[] => [
  ...new Set(bindings.flatMap((it) => (it.type === 'service' ? [it.service] : []))),
]

/** What must be there for the app to be called by. */
function handlersOf({ scheduled, queueConsumers }: App): string[] {
  const wanted = [
    ...(scheduled ? ['scheduled'] : []),
    ...(queueConsumers.length > 0 ? ['queue'] : []),
  ]
  return wanted.length > 0 ? wanted : ['fetch']
}

/** The process that has a project's databases open while no version of it runs. */
export function databasesConfig(memoryMb: number): Config {
  const state = stateConfig({ bindings: [], queueConsumers: [] }, true)
  return {
    files: { ...state.files, 'control.js': controlModule },
    text: config(
      [worker('control', 'embed "control.js"'), ...state.services],
      ['(name = "control", http = (), service = "control")', ...state.sockets],
      memoryMb,
    ),
  }
}

/**
 * Which environment variable carries which binding. The variables have names of ours, so that an app's `LD_PRELOAD`
 * is a binding and nothing else.
 */
export function environmentNames(app: Pick<App, 'env'>): [name: string, variable: string][] {
  return Object.keys(app.env)
    .sort()
    .map((name, i) => [name, `JACK_${i}`])
}

/** Names the compiled config: same program, same settings, same workerd. */
export function configDigest(config: Config, version: string): string {
  const hash = createHash('sha256').update(`${version}\n${config.text}`)
  for (const [name, bytes] of Object.entries(config.files)) {
    hash.update(`\n${name} ${bytes.length}\n`)
    hash.update(bytes)
  }
  return hash.digest('hex')
}

function config(
  services: string[],
  sockets: string[],
  memoryMb: number,
  extensions: string[] = [],
): string {
  // A service named "internet" of our own: the implicit one loads certificates that the sandbox does not have.
  const all = [...services, '(name = "internet", network = (allow = []))']
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
 services = [
${all.join(',\n')}
 ],
 sockets = [${sockets.join(', ')}],
 extensions = [${extensions.join(', ')}],
 v8Flags = ["--max-old-space-size=${memoryMb}"],
 logging = (structuredLogging = true, stdoutPrefix = "", stderrPrefix = "")
);
`
}

const worker = (name: string, module: string) => `(name = "${name}", worker = (
  modules = [(name = "${name}.js", esModule = ${module})], compatibilityDate = "2026-05-01",
  globalOutbound = "internet"))`

const noOutbound = `export default { fetch() {
  throw new Error('This app has no access to the network: "egress" in its jack.json is an empty list') } }`

/** Bytes are searched, since many libraries import the module in passing and few apps send mail. */
const importsMail = (modules: Module[]): boolean =>
  modules.some(
    ({ type, bytes }) => type === 'esm' && Buffer.from(bytes).includes('cloudflare:email'),
  )

/** What the runtime's `cloudflare:email` is made of, and does not have itself. */
const mailExtension =
  '(modules = [(name = "cloudflare-internal:email", internal = true, esModule = embed "email.js")])'
const mailModule = `class EmailMessage {
  constructor(from, to, raw) { Object.assign(this, { from, to, raw }) }
}
export default { EmailMessage }`

const moduleField: Record<Module['type'], string> = {
  esm: 'esModule',
  text: 'text',
  data: 'data',
  wasm: 'wasm',
  json: 'json',
}

/** A name beside the app's own modules. */
function freeName(modules: Module[], wanted: string): string {
  let name = wanted
  while (modules.some((module) => module.name === name)) name = `_${name}`
  return name
}

/** The app's own flags, and the one that `requestModule` needs. */
const flagsOf = ({ compatibilityFlags }: App): string[] => [
  ...compatibilityFlags.filter((flag) => !/^(no_)?nodejs_als$/.test(flag)),
  'nodejs_als',
]
