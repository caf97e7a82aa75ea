/**
 * A seccomp filter as the bytes that `bwrap --seccomp FD` reads: allow what workerd calls, refuse the rest.
 *
 * Refused on purpose: every socket but unix ones, new processes (threads only), new namespaces, ptrace, other
 * processes' memory, kernel key rings, bpf, io_uring, and, without `disk`, creating files.
 */
export function seccompProgram(
  arch: string,
  { connect, disk }: { connect: boolean; disk: boolean },
): Buffer | undefined {
  const table = tables[arch]
  if (!table) return undefined
  const nr = table.calls
  const allowed = Object.entries({ ...nr, ...(disk && table.disk) })
    .filter(([name]) => !examined.has(name) && (connect || name !== 'connect'))
    .map(([, number]) => number)
  const program: Instruction[] = [
    [LOAD, 0, 0, ARCH],
    [EQUAL, 1, 0, table.audit],
    [RETURN, 0, 0, KILL],
    [LOAD, 0, 0, NUMBER],
    // The x32 ABI would reach the same calls under other numbers.
    [AT_LEAST, 0, 1, 0x4000_0000],
    [RETURN, 0, 0, KILL],
    // Its flags are behind a pointer; without it libc falls back to clone, whose flags can be seen.
    [EQUAL, 0, 1, nr.clone3 as number],
    [RETURN, 0, 0, refuse(ENOSYS)],
    // clone: a thread, and no new namespace.
    [EQUAL, 0, 6, nr.clone as number],
    [LOAD, 0, 0, argument(0)],
    [ANY_BIT, 0, 1, CLONE_NEW],
    [RETURN, 0, 0, refuse(EPERM)],
    [ANY_BIT, 1, 0, CLONE_THREAD],
    [RETURN, 0, 0, refuse(EPERM)],
    [RETURN, 0, 0, ALLOW],
    [EQUAL, 0, 4, nr.socket as number],
    [LOAD, 0, 0, argument(0)],
    [EQUAL, 0, 1, AF_UNIX],
    [RETURN, 0, 0, ALLOW],
    [RETURN, 0, 0, refuse(EAFNOSUPPORT)],
    [EQUAL, 0, 4, nr.openat as number],
    [LOAD, 0, 0, argument(2)],
    [ANY_BIT, 0, 1, disk ? 0 : O_CREAT | O_TMPFILE],
    [RETURN, 0, 0, refuse(EACCES)],
    [RETURN, 0, 0, ALLOW],
    ...allowed.flatMap((number): Instruction[] => [
      [EQUAL, 0, 1, number],
      [RETURN, 0, 0, ALLOW],
    ]),
    [RETURN, 0, 0, refuse(EPERM)],
  ]
  return assemble(program)
}

/** code, jump if true, jump if false, operand: a `struct sock_filter`. */
type Instruction = [code: number, whenTrue: number, whenFalse: number, operand: number]

const LOAD = 0x20
const EQUAL = 0x15
const AT_LEAST = 0x35
const ANY_BIT = 0x45
const RETURN = 0x06

const NUMBER = 0
const ARCH = 4
const argument = (n: number) => 16 + 8 * n

const ALLOW = 0x7fff_0000
const KILL = 0x8000_0000
const refuse = (errno: number) => 0x0005_0000 | errno

const EPERM = 1
const EACCES = 13
const ENOSYS = 38
const EAFNOSUPPORT = 97

const AF_UNIX = 1
const CLONE_THREAD = 0x0001_0000
const CLONE_NEW = 0x7e02_0080
const O_CREAT = 0x40
const O_TMPFILE = 0x40_0000

/** Decided by their arguments above. */
const examined = new Set(['clone', 'clone3', 'socket', 'openat'])

function assemble(program: Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8)
  program.forEach(([code, whenTrue, whenFalse, operand], i) => {
    bytes.writeUInt16LE(code, i * 8)
    bytes.writeUInt8(whenTrue, i * 8 + 2)
    bytes.writeUInt8(whenFalse, i * 8 + 3)
    bytes.writeUInt32LE(operand >>> 0, i * 8 + 4)
  })
  return bytes
}

// biome-ignore format: tables read better as tables
const tables: Record<string, { audit: number; calls: Record<string, number>; disk: Record<string, number> }> = {
  x64: { audit: 0xc000_003e, calls: {
    read: 0, write: 1, close: 3, stat: 4, fstat: 5, lstat: 6, poll: 7, lseek: 8, mmap: 9, mprotect: 10,
    munmap: 11, brk: 12, rt_sigaction: 13, rt_sigprocmask: 14, rt_sigreturn: 15, ioctl: 16, pread64: 17,
    pwrite64: 18, readv: 19, writev: 20, access: 21, sched_yield: 24, mremap: 25, madvise: 28, nanosleep: 35,
    getpid: 39, socket: 41, connect: 42, sendto: 44, recvfrom: 45, sendmsg: 46, recvmsg: 47, shutdown: 48,
    bind: 49, listen: 50, getsockname: 51, getpeername: 52, socketpair: 53, setsockopt: 54, getsockopt: 55,
    clone: 56, execve: 59, exit: 60, uname: 63, fcntl: 72, getcwd: 79, readlink: 89, gettimeofday: 96,
    getrlimit: 97, sysinfo: 99, getuid: 102, getgid: 104, geteuid: 107, getegid: 108, sigaltstack: 131,
    sched_getparam: 143, sched_setscheduler: 144, sched_getscheduler: 145, prctl: 157, arch_prctl: 158,
    gettid: 186, futex: 202, sched_getaffinity: 204, set_tid_address: 218, restart_syscall: 219,
    clock_gettime: 228, clock_getres: 229, clock_nanosleep: 230, exit_group: 231, epoll_wait: 232,
    epoll_ctl: 233, tgkill: 234, openat: 257, newfstatat: 262, readlinkat: 267, set_robust_list: 273,
    epoll_pwait: 281, timerfd_create: 283, timerfd_settime: 286, accept4: 288, eventfd2: 290,
    epoll_create1: 291, pipe2: 293, prlimit64: 302, getrandom: 318, memfd_create: 319, membarrier: 324,
    pkey_mprotect: 329, pkey_alloc: 330, pkey_free: 331, statx: 332, rseq: 334, clone3: 435, faccessat2: 439,
  }, disk: {
    flock: 73, fsync: 74, fdatasync: 75, ftruncate: 77, rename: 82, mkdir: 83, rmdir: 84, unlink: 87, fchmod: 91,
    statfs: 137, fstatfs: 138, getdents64: 217, mkdirat: 258, unlinkat: 263, renameat: 264, linkat: 265,
    fchmodat: 268, utimensat: 280, fallocate: 285, renameat2: 316, copy_file_range: 326,
  } },
  arm64: { audit: 0xc000_00b7, calls: {
    getcwd: 17, eventfd2: 19, epoll_create1: 20, epoll_ctl: 21, epoll_pwait: 22, fcntl: 25, ioctl: 29,
    faccessat: 48, openat: 56, close: 57, pipe2: 59, lseek: 62, read: 63, write: 64, readv: 65, writev: 66,
    pread64: 67, pwrite64: 68, ppoll: 73, readlinkat: 78, newfstatat: 79, fstat: 80, timerfd_create: 85,
    timerfd_settime: 86, exit: 93, exit_group: 94, set_tid_address: 96, futex: 98, set_robust_list: 99,
    nanosleep: 101, clock_gettime: 113, clock_getres: 114, clock_nanosleep: 115, sched_setscheduler: 119,
    sched_getscheduler: 120, sched_getparam: 121, sched_getaffinity: 123, sched_yield: 124,
    restart_syscall: 128, tgkill: 131, sigaltstack: 132, rt_sigaction: 134, rt_sigprocmask: 135,
    rt_sigreturn: 139, uname: 160, getrlimit: 163, prctl: 167, gettimeofday: 169, getpid: 172, getuid: 174,
    geteuid: 175, getgid: 176, getegid: 177, gettid: 178, sysinfo: 179, socket: 198, socketpair: 199,
    bind: 200, listen: 201, connect: 203, getsockname: 204, getpeername: 205, sendto: 206, recvfrom: 207,
    setsockopt: 208, getsockopt: 209, shutdown: 210, sendmsg: 211, recvmsg: 212, brk: 214, munmap: 215,
    mremap: 216, clone: 220, execve: 221, mmap: 222, mprotect: 226, madvise: 233, accept4: 242,
    prlimit64: 261, getrandom: 278, memfd_create: 279, membarrier: 283, pkey_mprotect: 288, pkey_alloc: 289,
    pkey_free: 290, statx: 291, rseq: 293, clone3: 435, faccessat2: 439,
  }, disk: {
    flock: 32, mkdirat: 34, unlinkat: 35, linkat: 37, renameat: 38, statfs: 43, fstatfs: 44, ftruncate: 46,
    fallocate: 47, fchmod: 52, fchmodat: 53, getdents64: 61, fsync: 82, fdatasync: 83, utimensat: 88,
    renameat2: 276, copy_file_range: 285,
  } },
}
