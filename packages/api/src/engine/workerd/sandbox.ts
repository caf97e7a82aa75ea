import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { SandboxLevel, SandboxReport } from '../Engine.ts'
import type { Binary } from './binary.ts'
import { seccompProgram } from './seccomp.ts'

/** How programs are walled in on this machine, decided once by trying it. */
export interface Sandbox {
  report: SandboxReport
  /** What to spawn for one process. */
  command(launch: Launch): Command
  /** First of the user ids that processes get, one each; undefined when all share ours. */
  firstUid: number | undefined
  /** The user id of the process through which apps leave; undefined when it shares ours. */
  egressUid: number | undefined
  /** What to start a process of our own with, so that it ends with us and gains no rights. */
  supervised: string[]
}

/** `data` is an app that keeps data. */
export type Purpose = 'execute' | 'app' | 'data'

export interface Launch {
  purpose: Purpose
  /** Compiled config. */
  config: string
  /** The process's own directory, where its sockets are. */
  dir: string
  uid: number | undefined
  memoryMb: number
  /** Names of sockets it listens on, and of sockets of ours that it connects to. */
  listens: string[]
  connects: string[]
  /** Directory that it keeps data in. */
  stateDir?: string | undefined
}

export interface Command {
  argv: string[]
  /** A file to hand over as descriptor 5. */
  seccomp?: string
  /** The pid of workerd is told on descriptor 4, is that of our grandchild, or is the one we spawned. */
  pid: 'info' | 'child' | 'own'
}

/** How the walls are built; a level is how strong the result is. */
export interface Walls {
  method: 'bwrap' | 'unshare' | 'bare'
  seccomp: Record<Purpose, string> | undefined
  root: boolean
  pdeathsig: boolean
  prlimit: boolean
  binary: Binary
}

/** The strongest walls that work here, or those that `force` names. */
export function detectSandbox(options: {
  binary: Binary
  /** Where the seccomp filters are written. */
  dir: string
  force?: SandboxLevel | undefined
  uidSeed: number
}): Sandbox {
  const root = process.getuid?.() === 0
  const linux = process.platform === 'linux'
  const base: Walls = {
    method: 'bare',
    seccomp: undefined,
    root,
    pdeathsig: linux && runs(['setpriv', '--pdeathsig', 'KILL', 'true']),
    prlimit: linux && runs(['prlimit', '--core=0', 'true']),
    binary: options.binary,
  }
  const firstUid = root && linux ? chooseUids(options.uidSeed) : undefined
  const filters = linux ? writeFilters(options.dir) : undefined
  const candidates: Walls[] = [
    { ...base, method: 'bwrap', seccomp: filters },
    { ...base, method: 'bwrap' },
    { ...base, method: 'unshare' },
    base,
  ]
  const wanted = options.force
  const failures: string[] = []
  for (const walls of candidates) {
    if (wanted === 'full' && levelOf(walls) !== 'full') continue
    if (wanted === 'namespaces' && walls.method !== 'unshare') continue
    if (wanted === 'none' && walls.method !== 'bare') continue
    if (walls.method !== 'bare' && !(linux && base.prlimit && base.pdeathsig)) continue
    const failure = walls.method === 'bare' ? undefined : tryOut(walls, options.dir, firstUid)
    if (failure === undefined)
      return {
        report: describe(walls, firstUid, failures),
        firstUid: firstUid,
        egressUid: firstUid === undefined ? undefined : firstUid + UIDS,
        supervised: base.pdeathsig
          ? ['setpriv', '--pdeathsig', 'KILL', '--no-new-privs', '--']
          : [],
        command: (launch) => commandFor(walls, launch),
      }
    failures.push(`${walls.method}${walls.seccomp ? ' with seccomp' : ''}: ${failure}`)
  }
  throw new Error(`The sandbox level "${wanted}" does not work here. ${failures.join('; ')}`)
}

/** The whole command line of one process. Pure: what is spawned can be read in a test. */
export function commandFor(walls: Walls, launch: Launch): Command {
  const inside = walls.method === 'bwrap'
  const dir = inside ? '/run' : launch.dir
  const workerd = [
    inside ? '/workerd' : walls.binary.path,
    'serve',
    '--experimental',
    '-b',
    inside ? '/config.bin' : launch.config,
    '--control-fd=3',
    ...launch.listens.map((name) => `--socket-addr=${name}=unix:${dir}/${name}.sock`),
    ...launch.connects.map((name) => `--external-addr=${name}=unix:${dir}/${name}.sock`),
    ...(launch.stateDir ? [`--directory-path=state=${inside ? '/state' : launch.stateDir}`] : []),
  ]
  const { uid } = launch
  const identity = [
    ...(uid === undefined ? [] : [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']),
    ...(walls.root ? ['--bounding-set=-all', '--inh-caps=-all'] : []),
    '--no-new-privs',
  ]
  const limits = [
    'prlimit',
    '--core=0',
    `--nofile=${launch.purpose === 'execute' ? 256 : 4096}`,
    `--fsize=${launch.stateDir ? MAX_STATE_FILE_BYTES : 67_108_864}`,
    `--data=${(RUNTIME_DATA_MB + 3 * launch.memoryMb) * 1048576}`,
    // Counted per user: only where the process has one of its own.
    ...(uid === undefined ? [] : ['--nproc=64']),
    '--',
  ]
  if (walls.method === 'bwrap') {
    const seccomp = walls.seccomp?.[launch.purpose]
    const bwrap = bwrapArguments(walls.binary, launch, seccomp !== undefined)
    return {
      argv: ['setpriv', ...identity, '--', ...limits, ...bwrap, '--', ...workerd],
      pid: 'info',
      ...(seccomp ? { seccomp } : {}),
    }
  }
  if (walls.method === 'unshare') {
    const spaces = ['--net', '--ipc', '--uts', '--pid', '--mount', '--fork', '--kill-child=KILL']
    const unshare = ['unshare', ...(walls.root ? [] : ['--user']), ...spaces, '--']
    const inner = ['setpriv', ...identity, '--pdeathsig', 'KILL', '--']
    return {
      argv: ['setpriv', '--pdeathsig', 'KILL', '--', ...unshare, ...inner, ...limits, ...workerd],
      pid: 'child',
    }
  }
  const bare = uid === undefined ? ['--no-new-privs'] : identity
  return {
    argv: [
      ...(walls.pdeathsig ? ['setpriv', ...bare, '--pdeathsig', 'KILL', '--'] : []),
      ...(walls.prlimit ? limits : []),
      ...workerd,
    ],
    pid: 'own',
  }
}

/** Address space of an idle workerd that RLIMIT_DATA counts, measured, with room for more threads. */
const RUNTIME_DATA_MB = 700

/** One database at most. */
const MAX_STATE_FILE_BYTES = 2 * 1024 ** 3

function bwrapArguments(binary: Binary, launch: Launch, seccomp: boolean): string[] {
  const readOnly = [
    [binary.path, '/workerd'],
    [launch.config, '/config.bin'],
    ...binary.libraries.map((path) => [path, path]),
  ]
  return [
    'bwrap',
    '--unshare-all',
    // `--disable-userns` wants it said.
    '--unshare-user',
    '--disable-userns',
    '--die-with-parent',
    '--new-session',
    '--as-pid-1',
    '--hostname',
    'jack',
    '--uid',
    '65534',
    '--gid',
    '65534',
    '--cap-drop',
    'ALL',
    ...readOnly.flatMap(([from, to]) => ['--ro-bind', from as string, to as string]),
    '--tmpfs',
    '/tmp',
    '--dev',
    '/dev',
    '--bind',
    launch.dir,
    '/run',
    ...(launch.stateDir ? ['--bind', launch.stateDir, '/state'] : []),
    '--remount-ro',
    '/',
    '--info-fd',
    '4',
    ...(seccomp ? ['--seccomp', '5'] : []),
    '--chdir',
    '/',
  ]
}

function levelOf(walls: Walls): SandboxLevel {
  if (walls.method === 'bare') return 'none'
  return walls.method === 'bwrap' && walls.seccomp ? 'full' : 'namespaces'
}

function describe(walls: Walls, firstUid: number | undefined, failures: string[]): SandboxReport {
  const wall = (name: string, active: boolean, why: string) =>
    active ? { name, active } : { name, active, why: [why, ...failures].join('; ') }
  const contained = walls.method !== 'bare'
  return {
    level: levelOf(walls),
    walls: [
      wall('own root file system', walls.method === 'bwrap', 'needs bubblewrap'),
      wall('no network', contained, 'needs network namespaces'),
      wall('own processes', contained, 'needs pid namespaces'),
      wall('system call filter', walls.seccomp !== undefined, 'needs bubblewrap on x64 or arm64'),
      wall('own user id', firstUid !== undefined, 'needs to be started as root'),
      wall('resource limits', walls.prlimit, 'needs prlimit'),
      wall('no new privileges', walls.pdeathsig, 'needs setpriv'),
      wall('dies with its supervisor', contained || walls.pdeathsig, 'needs setpriv'),
    ],
  }
}

/** Starts workerd behind these walls and lets it say its version. */
function tryOut(walls: Walls, dir: string, uid: number | undefined): string | undefined {
  const launch: Launch = {
    purpose: 'execute',
    config: walls.binary.path,
    dir: '/tmp',
    uid,
    memoryMb: 128,
    listens: [],
    connects: [],
  }
  const { argv, seccomp } = commandFor(walls, launch)
  const command = [...argv.slice(0, argv.indexOf('serve')), '--version']
  const filter = seccomp ? openSync(seccomp, 'r') : undefined
  try {
    const [file, ...args] = command as [string, ...string[]]
    const out = execFileSync(file, args, {
      cwd: dir,
      env: { PATH: process.env.PATH },
      timeout: 10_000,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe', 'ignore', 'pipe', filter ?? 'ignore'],
    })
    return out.includes('workerd') ? undefined : `said ${out.slice(0, 100)}`
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string }
    return (stderr || message).trim().slice(0, 300)
  } finally {
    if (filter !== undefined) closeSync(filter)
  }
}

function runs([command, ...args]: [string, ...string[]]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore', timeout: 5000 })
    return true
  } catch {
    return false
  }
}

function writeFilters(dir: string): Record<Purpose, string> | undefined {
  const programs = {
    execute: seccompProgram(process.arch, { connect: false, disk: false }),
    app: seccompProgram(process.arch, { connect: true, disk: false }),
    data: seccompProgram(process.arch, { connect: true, disk: true }),
  }
  const write = (purpose: Purpose) => {
    const path = join(dir, `${purpose}.bpf`)
    const program = programs[purpose]
    if (program) writeFileSync(path, program)
    return path
  }
  if (!programs.execute) return undefined
  return { execute: write('execute'), app: write('app'), data: write('data') }
}

/** A stretch of user ids that nothing else uses, if our own user namespace has it; ids count up from there. */
function chooseUids(seed: number): number | undefined {
  const map = readFileSync('/proc/self/uid_map', 'utf8').trim().split('\n')
  const available = (uid: number) =>
    map.some((line) => {
      const [from = 0, , count = 0] = line.trim().split(/\s+/).map(Number)
      return uid >= from && uid + UIDS < from + count
    })
  return [1_880_000_000 + (seed % 10_000) * (UIDS + 1), 20_000].find(available)
}

/** How many processes can have one each. The one after them is the way out's. */
export const UIDS = 19_999

/**
 * Makes sure that no descriptor of ours, not even one that we inherited, reaches a sandbox.
 * Node opens its own close-on-exec; those that came from our parent are marked here.
 */
export function closeInheritedOnExec(): void {
  if (process.platform !== 'linux') return
  const CLOSE_RANGE_CLOEXEC = 4
  try {
    const koffi = createRequire(import.meta.url)('koffi')
    const libc = koffi.load('libc.so.6')
    libc.func('int close_range(uint first, uint last, int flags)')(
      3,
      0xffff_ffff,
      CLOSE_RANGE_CLOEXEC,
    )
  } catch {
    // Without native calls the parent must start us with clean descriptors, as every service manager does.
  }
}
