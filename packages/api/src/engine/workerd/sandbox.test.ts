import { execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Engine } from '../Engine.ts'
import { app, execution, get } from '../engine.contract.ts'
import type { Binary } from './binary.ts'
import { commandFor, detectSandbox } from './sandbox.ts'
import { levels, startEngine } from './testing.ts'

/** Each answers "refused: ..." or what it got. */
const attempts: Record<string, string> = {
  'fetch of loopback': 'return await (await fetch("http://127.0.0.1:PORT/")).text()',
  'fetch of the metadata service': 'return await (await fetch("http://169.254.169.254/")).text()',
  'a raw socket':
    'const { connect } = await import("cloudflare:sockets"); const s = connect("127.0.0.1:PORT"); await s.opened; return "opened"',
  'a WebSocket':
    'const s = new WebSocket("ws://127.0.0.1:PORT/"); return await new Promise((r) => { s.onopen = () => r("opened"); s.onerror = (e) => r("refused: " + e.message) })',
  'node:net':
    'const net = await import("node:net"); return await new Promise((r) => { const s = net.connect(PORT, "127.0.0.1"); s.on("data", () => r("opened")); s.on("error", (e) => r("refused: " + e.message)) })',
  'a file of the host': 'return (await import("node:fs")).readFileSync("/etc/passwd", "utf8")',
  "the engine's environment":
    'const found = Object.entries({ ...process.env }).find(([k]) => k !== "MINE"); return found ? String(found) : "refused: empty"',
  'a child process': '(await import("node:child_process")).execSync("id"); return "ran"',
  'another thread':
    'const { Worker } = await import("node:worker_threads"); new Worker("1", { eval: true }); return "ran"',
  eval: 'return eval("1 + 1")',
  'new Function': 'return new Function("return 1")()',
  'WebAssembly from bytes':
    'new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])); return "compiled"',
  'modules inside workerd': 'await import("cloudflare-internal:d1-api"); return "imported"',
  'unsafe modules': 'await import("workerd:unsafe"); return "imported"',
  'killing processes': 'process.kill(1, 9); return "killed"',
}

const attempt = (body: string, port: number) =>
  `const attempt = async () => { try { ${body.replaceAll('PORT', String(port))} } catch (e) { return "refused: " + (e?.message ?? e) } }`

for (const level of levels) {
  describe(`a hostile program at sandbox level ${level}`, () => {
    let engine: Engine
    let reached = 0
    const server = createServer((socket) => {
      reached++
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret')
    })
    let port = 0

    beforeAll(async () => {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      port = (server.address() as { port: number }).port
      ;({ engine } = await startEngine({ sandbox: { force: level } }))
    })
    afterAll(async () => {
      server.close()
      await engine.close(0)
    })

    it.each(Object.entries(attempts))('has no use of %s when executed', async (_, body) => {
      const source = `${attempt(body, port)}\nexport const run = attempt`
      const outcome = await engine.execute(execution(source, { usesNode: true }))
      expect(outcome).toMatchObject({
        status: 'returned',
        result: expect.stringMatching(/^"refused: /),
      })
      expect(reached).toBe(0)
    })

    it('has no use of any of them when hosted', async () => {
      const all = Object.entries(attempts).map(
        ([name, body], i) =>
          `${attempt(body, port).replace('attempt', `attempt${i}`)}\nall[${JSON.stringify(name)}] = attempt${i}`,
      )
      const source = `const all = {};\n${all.join('\n')}
        export default { async fetch() { const out = {}; for (const name in all) out[name] = await all[name](); return Response.json(out) } }`
      const hosted = app(source, { compatibilityFlags: ['nodejs_compat'], env: { MINE: '1' } })
      const answers: Record<string, string> = JSON.parse((await get(engine, hosted)).body)
      for (const [name, answer] of Object.entries(answers))
        expect(`${name}: ${answer}`).toMatch(
          /: (refused: |.*is not a public address|proxy request failed)/,
        )
      expect(Object.keys(answers)).toEqual(Object.keys(attempts))
      expect(reached).toBe(0)
    })

    it.each([
      [
        'replaces what its neighbour in the isolate might use',
        `for (const o of [Promise.prototype, Function.prototype, String.prototype, Array.prototype, JSON, Object])
           for (const k of Object.getOwnPropertyNames(o)) try { if (typeof o[k] === "function" && k !== "constructor") o[k] = () => "forged" } catch {}
         export const run = () => "mine"`,
      ],
      [
        'replaces its own entry',
        `import Entry from "./jack-entry.js"; Entry.prototype.run = async () => "C{}"; export const run = () => "mine"`,
      ],
      [
        'answers with something that is no JSON',
        'import Entry from "./jack-entry.js"; Entry.prototype.run = () => "R{"; export const run = () => 1',
      ],
      [
        'prints what looks like the host',
        'export const run = () => { for (let i = 0; i < 50; i++) console.log(crypto.randomUUID()); return "mine" }',
      ],
    ])('that %s gets no further than its own result', async (_, source) => {
      const outcome = await engine.execute(execution(source))
      expect(['returned', 'threw']).toContain(outcome.status)
      const next = await engine.execute(execution('export const run = () => "next"'))
      expect(next).toMatchObject({ status: 'returned', result: '"next"', logs: [] })
    })

    it('leaves nothing running after its execution', async () => {
      await engine.execute(
        execution(`import { waitUntil } from "cloudflare:workers";
          export const run = () => { waitUntil((async () => { for (;;) { console.log("still"); await new Promise((r) => setTimeout(r, 5)) } })()); return 1 }`),
      )
      await new Promise((resolve) => setTimeout(resolve, 50))
      const next = await engine.execute(
        execution('export const run = () => new Promise((r) => setTimeout(r, 50))'),
      )
      expect(next).toMatchObject({ status: 'returned', logs: [] })
    })
  })
}

describe.runIf(levels.includes('full'))('the walls of level full', () => {
  it('leave the process no privilege, descriptor, file or namespace of ours', async () => {
    const inherited = openSync('/dev/null', 'r')
    const { engine } = await startEngine({ sandbox: { force: 'full' } })
    try {
      const hosted = app('export default { fetch: () => new Response("x") }', {
        env: { S: 'value' },
      })
      await get(engine, hosted)
      const pid = engine.running()[0]?.pid as number
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      expect(status).toMatch(/CapEff:\s+0+\n/)
      expect(status).toMatch(/CapBnd:\s+0+\n/)
      expect(status).toMatch(/NoNewPrivs:\s+1/)
      expect(status).toMatch(/Seccomp:\s+2/)
      if (process.getuid?.() === 0) {
        const uid = Number(/Uid:\s+(\d+)/.exec(status)?.[1])
        expect(uid).toBeGreaterThan(19_999)
        for (const fd of readdirSync(`/proc/${pid}/fd`).map((name) => `/proc/${pid}/fd/${name}`)) {
          // workerd opens its root and its working directory: they have to be those of the sandbox.
          if (readlinkSync(fd) === '/') expect(readdirSync(fd)).toContain('config.bin')
          else expect(readlinkSync(fd)).toMatch(/^(socket|pipe|anon_inode|\/dev\/null|\/memfd)/)
        }
        expect(readdirSync(`/proc/${pid}/root`).sort()).toEqual(
          expect.arrayContaining(['config.bin', 'dev', 'run', 'tmp', 'workerd']),
        )
        expect(() => readFileSync(`/proc/${pid}/root/etc/passwd`)).toThrow()
        for (const name of ['net', 'pid', 'mnt', 'ipc', 'uts', 'user'])
          expect(readlinkSync(`/proc/${pid}/ns/${name}`)).not.toBe(
            readlinkSync(`/proc/self/ns/${name}`),
          )
      }
    } finally {
      closeSync(inherited)
      await engine.close(0)
    }
  })

  const gcc = hasGcc()
  if (!gcc) console.warn('gcc is missing: the native probe of the sandbox does not run')
  it.runIf(gcc)('hold when the program already owns the process', async () => {
    const binary = compileProbe()
    const dir = mkdtempSync(join(tmpdir(), 'jack-test-'))
    execFileSync('chmod', ['711', dir])
    const sandbox = detectSandbox({ binary, dir, force: 'full', uidSeed: 7 })
    const run = join(dir, 'run')
    mkdirSync(run)
    if (sandbox.firstUid !== undefined) execFileSync('chown', [String(sandbox.firstUid), run])
    const { argv, seccomp } = sandbox.command({
      purpose: 'app',
      config: binary.path,
      dir: run,
      uid: sandbox.firstUid,
      memoryMb: 128,
      listens: [],
      connects: [],
    })
    const filter = openSync(seccomp as string, 'r')
    const child = spawn(argv[0] as string, argv.slice(1), {
      stdio: ['ignore', 'pipe', 'inherit', 'pipe', 'pipe', filter],
      env: { PATH: process.env.PATH },
    })
    closeSync(filter)
    let out = ''
    child.stdout?.on('data', (chunk) => {
      out += chunk
    })
    await new Promise((resolve) => child.once('close', resolve))
    const results = Object.fromEntries(
      out
        .trim()
        .split('\n')
        .map((line) => line.split(' ')),
    )
    expect(Object.keys(results)).toHaveLength(25)
    expect(Object.entries(results).filter(([, result]) => result !== 'denied')).toEqual([])
  })
})

describe('the command line', () => {
  it('can be read before it is run', () => {
    const binary: Binary = { path: '/bin/workerd', version: '1', libraries: ['/lib/libc.so.6'] }
    const launch = {
      purpose: 'app',
      config: '/data/config.bin',
      dir: '/tmp/jack/p1',
      uid: 20_001,
      memoryMb: 128,
      listens: ['http'],
      connects: ['outbound'],
    } as const
    const walls = { seccomp: undefined, root: true, pdeathsig: true, prlimit: true, binary }
    const text = (method: 'bwrap' | 'unshare' | 'bare') =>
      commandFor(
        { ...walls, method },
        { ...launch, listens: ['http'], connects: ['outbound'] },
      ).argv.join(' ')
    expect({ bwrap: text('bwrap'), unshare: text('unshare'), bare: text('bare') }).toMatchSnapshot()
  })
})

function hasGcc(): boolean {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** A program in place of workerd that tries what an attacker with native code would. */
function compileProbe(): Binary {
  const dir = mkdtempSync(join(tmpdir(), 'jack-probe-'))
  execFileSync('chmod', ['755', dir])
  const source = `#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#define TRY(name, call) do { errno = 0; long r = (long)(call); printf("%s %s\\n", name, r < 0 ? "denied" : "ALLOWED"); fflush(stdout); } while (0)
int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "--version")) { puts("workerd probe"); return 0; }
  TRY("passwd", open("/etc/passwd", O_RDONLY));
  TRY("proc", open("/proc/1/environ", O_RDONLY));
  TRY("write-root", open("/x", O_CREAT | O_WRONLY, 0600));
  TRY("write-run", open("/run/x", O_CREAT | O_WRONLY, 0600));
  TRY("write-tmp", open("/tmp/x", O_CREAT | O_WRONLY, 0600));
  TRY("write-config", open("/config.bin", O_WRONLY));
  TRY("mkdir", mkdir("/run/d", 0700));
  TRY("inet", socket(AF_INET, SOCK_STREAM, 0));
  TRY("inet6", socket(AF_INET6, SOCK_STREAM, 0));
  TRY("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
  TRY("packet", socket(AF_PACKET, SOCK_RAW, 0));
  TRY("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
  TRY("vm", syscall(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0));
  TRY("mount", mount("none", "/tmp", "tmpfs", 0, 0));
  TRY("unshare", unshare(CLONE_NEWUSER));
  TRY("setns", setns(0, 0));
  TRY("chroot", chroot("/tmp"));
  TRY("setuid", setuid(0));
  TRY("bpf", syscall(SYS_bpf, 0, 0, 0));
  TRY("io_uring", syscall(SYS_io_uring_setup, 1, 0));
  TRY("userfaultfd", syscall(SYS_userfaultfd, 0));
  TRY("perf", syscall(SYS_perf_event_open, 0, 0, 0, 0, 0));
  TRY("keyctl", syscall(SYS_keyctl, 0, 0));
  TRY("kill", kill(-1, 0));
  long child = fork(); if (child == 0) _exit(0);
  TRY("fork", child);
  return 0;
}
`
  writeFileSync(join(dir, 'probe.c'), source)
  const path = join(dir, 'probe')
  execFileSync('gcc', ['-static', '-o', path, join(dir, 'probe.c')])
  return { path, version: 'probe', libraries: [] }
}
