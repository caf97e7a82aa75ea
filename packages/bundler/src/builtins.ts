/** Modules of Node.js that the runtime answers. A fixed list, so that every machine agrees. */
const builtins = new Set(
  (
    'assert assert/strict async_hooks buffer child_process cluster console constants crypto dgram ' +
    'diagnostics_channel dns dns/promises domain events fs fs/promises http http2 https inspector ' +
    'inspector/promises module net os path path/posix path/win32 perf_hooks process punycode ' +
    'querystring readline readline/promises repl sqlite stream stream/consumers stream/promises stream/web ' +
    'string_decoder sys timers timers/promises tls trace_events tty url util util/types v8 vm wasi ' +
    'worker_threads zlib _http_agent _http_client _http_common _http_incoming _http_outgoing ' +
    '_http_server _stream_duplex _stream_passthrough _stream_readable _stream_transform ' +
    '_stream_wrap _stream_writable _tls_common _tls_wrap'
  ).split(' '),
)

/** These load but throw when they are used: there are no processes, threads or raw sockets. */
const stubs = new Set(
  'child_process cluster dgram inspector inspector/promises repl sqlite trace_events v8 vm wasi worker_threads'.split(
    ' ',
  ),
)

/** In Node.js, but nowhere in the runtime. */
const absent = new Set(['sea', 'test', 'test/reporters', 'quic', 'ffi'])

export type Builtin =
  | { kind: 'runtime'; path: string; stub: boolean }
  | { kind: 'absent'; path: string; hint: string }

/** What an import path means to the runtime itself; undefined when it is none of its modules. */
export function builtin(path: string): Builtin | undefined {
  if (/^(?:cloudflare|workerd):/.test(path)) return { kind: 'runtime', path, stub: false }
  const prefixed = path.startsWith('node:')
  const name = prefixed ? path.slice(5) : path.endsWith('/') ? path.slice(0, -1) : path
  // `punycode/` and the like are how one asks for the npm package of that name.
  if (!prefixed && path.endsWith('/')) return undefined
  if (builtins.has(name)) return { kind: 'runtime', path: `node:${name}`, stub: stubs.has(name) }
  if (prefixed) {
    const hint = absent.has(name)
      ? 'It needs a machine of its own. For storage use a database binding.'
      : 'Node.js has no such module either; check the spelling.'
    return { kind: 'absent', path, hint }
  }
  return undefined
}
