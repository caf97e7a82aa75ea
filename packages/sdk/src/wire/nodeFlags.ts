/** Since when the runtime has which modules of Node.js without a flag of their own; tried, since no page says it. */
const since = {
  http_modules: ['2025-08-15', 'http', 'https'],
  http2_module: ['2025-09-01', 'http2'],
  fs_module: ['2025-09-15', 'fs'],
  os_module: ['2025-09-15', 'os'],
  console_module: ['2025-09-21', 'console'],
  vm_module: ['2025-10-01', 'vm'],
  cluster_module: ['2025-12-04', 'cluster'],
  domain_module: ['2025-12-04', 'domain'],
  punycode_module: ['2025-12-04', 'punycode'],
  trace_events_module: ['2025-12-04', 'trace_events'],
  wasi_module: ['2025-12-04', 'wasi'],
  dgram_module: ['2026-01-29', 'dgram'],
  inspector_module: ['2026-01-29', 'inspector', 'inspector/promises'],
  sqlite_module: ['2026-01-29', 'sqlite'],
  child_process_module: ['2026-03-17', 'child_process'],
  perf_hooks_module: ['2026-03-17', 'perf_hooks'],
  readline_module: ['2026-03-17', 'readline', 'readline/promises'],
  repl_module: ['2026-03-17', 'repl'],
  tty_module: ['2026-03-17', 'tty'],
  v8_module: ['2026-03-17', 'v8'],
  worker_threads_module: ['2026-03-17', 'worker_threads'],
} as const

/** Before it `process` is not there at all, or has little more than `env`. */
const process = { from: '2024-09-23', until: '2025-09-15' }

/**
 * The flags that give a program with `nodejs_compat` what it imports of Node.js, whatever its compatibility date:
 * people who deploy elsewhere get polyfills for it with the bundle.
 *
 * @param imported modules without `node:`
 */
export function nodeFlags(date: string, imported: string[], own: ReadonlySet<string>): string[] {
  const needed = Object.entries(since)
    .filter(
      ([, [default_, ...names]]) => date < default_ && names.some((it) => imported.includes(it)),
    )
    .map(([flag]) => flag)
  if (date >= process.from && date < process.until) needed.push('process_v2')
  return needed
    .filter((flag) => !own.has(`disable_nodejs_${flag}`))
    .map((flag) => `enable_nodejs_${flag}`)
}
