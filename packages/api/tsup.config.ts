import { defineConfig } from 'tsup'

export default defineConfig({
  // Some modules, such as node:sqlite, have no name without it.
  removeNodeProtocol: false,
  entry: {
    index: 'src/index.ts',
    main: 'src/main.ts',
    // A thread or a process is a file of its own, found beside the one that starts it.
    egressProcess: 'src/engine/workerd/egress/process.ts',
    watchdogThread: 'src/engine/workerd/watchdogThread.ts',
    sourceMapThread: 'src/gateway/sourceMapThread.ts',
  },
  format: 'esm',
  target: 'node22',
  sourcemap: true,
  // Of earlier builds. The declarations are tsc's.
  clean: ['!**/*.d.ts'],
})
