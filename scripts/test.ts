import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

// `pnpm test [file ...]`: type-check, then every test. What this machine can't test is said before and after.
const missing = [
  onPath('bwrap') ||
    'bubblewrap is not installed: the full sandbox and the attempts to escape it are NOT tested',
  onPath('setpriv') || 'setpriv (util-linux) is not installed: no sandbox can be tested',
  onPath('git') || 'git is not installed: some tests of the CLI do NOT run',
  process.platform === 'linux' ||
    `this is ${process.platform}: sandboxes are NOT tested, they need Linux`,
].filter((it) => typeof it === 'string')

warn()
run('tsc', ['-b'])
run('vitest', ['run', ...process.argv.slice(2)])
warn()

function run(command: string, args: string[]): void {
  console.log(`$ ${command} ${args.join(' ')}`)
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  if (status !== 0) {
    warn()
    process.exit(status ?? 1)
  }
}

function warn(): void {
  for (const line of missing) console.log(`\n!!! ${line}`)
}

function onPath(name: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => existsSync(`${folder}/${name}`))
}
