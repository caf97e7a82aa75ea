import { createHash } from 'node:crypto'
import { chmod, chown, lstat, mkdir, mkdtemp, realpath, stat, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { closedFolder, entersAll, isRoot, postgresUser, type User } from './user.ts'

/** Where the embedded server lives: `<dataDir>/postgres`, of mode 0700. */
export interface Home {
  path: string
  cluster: string
  log: string
  /** Folder of the unix socket. */
  socket: string
  /** Whom the server runs as; undefined is whoever runs Jack. */
  user: User | undefined
}

export async function openHome(dataDir: string): Promise<Home> {
  const path = isRoot() ? await homeUnderRoot(dataDir) : await homeOfMine(dataDir)
  const user = isRoot() ? await ownerOf(path) : undefined
  return {
    path,
    cluster: join(path, 'cluster'),
    log: join(path, 'postgres.log'),
    socket: await socketFolder(path, user),
    user,
  }
}

async function homeOfMine(dataDir: string): Promise<string> {
  const path = join(dataDir, 'postgres')
  await mkdir(path, { recursive: true, mode: 0o700 })
  const { uid } = await stat(path)
  if (uid !== process.getuid?.())
    throw new Error(
      `${path} belongs to the user with the id ${uid}. Run Jack as that user, or choose another data directory.`,
    )
  return realpath(path)
}

/**
 * Root runs Postgres as another user, who cannot pass through a closed folder such as /root. A data directory in
 * there gets its database in /var/lib/jack-postgres, and a link at `<dataDir>/postgres` that leads to it: the first
 * start works wherever it happens, and the link says where the data is. A data directory under /var/lib/jack needs
 * none of this.
 */
async function homeUnderRoot(dataDir: string): Promise<string> {
  const path = join(dataDir, 'postgres')
  if (await lstat(path).catch(() => undefined)) {
    const found = await realpath(path).catch(() => {
      throw new Error(`${path} is a link to the database, which is not there any more.`)
    })
    const user = await ownerOf(found)
    const closed = await closedFolder(user, found)
    if (closed)
      throw new Error(
        `Postgres runs as the user with the id ${user.uid}, who may not enter ${closed}. ` +
          'Allow it (chmod o+x), move the data directory, or set DATABASE_URL.',
      )
    return found
  }
  const user = await postgresUser()
  if (await entersAll(user, dataDir)) {
    await mkdir(path, { mode: 0o700 })
    await chown(path, user.uid, user.gid)
    return realpath(path)
  }
  const created = await mkdir(ELSEWHERE, { recursive: true })
  if (created !== undefined) await chmod(ELSEWHERE, 0o711) // whatever the umask is
  const elsewhere = await mkdtemp(join(ELSEWHERE, `${basename(dataDir)}-`))
  await chown(elsewhere, user.uid, user.gid)
  await symlink(elsewhere, path)
  return elsewhere
}

const ELSEWHERE = '/var/lib/jack-postgres'

/** Who owns the data runs the server: also when the user of that name got another id in a new container. */
async function ownerOf(path: string): Promise<User> {
  const { uid, gid } = await stat(path)
  if (uid !== 0) return { uid, gid }
  // A predecessor was killed between making the folder and giving it away.
  const user = await postgresUser()
  await chown(path, user.uid, user.gid)
  return user
}

/** The path of a unix socket may have 107 bytes on Linux and 103 on macOS. */
const MOST_SOCKET_BYTES = 103

async function socketFolder(home: string, user: User | undefined): Promise<string> {
  const near = join(home, 'socket')
  const fits = Buffer.byteLength(join(near, '.s.PGSQL.5432')) <= MOST_SOCKET_BYTES
  const hash = createHash('sha256').update(home).digest('hex').slice(0, 16)
  const path = fits ? near : `/tmp/jack-${hash}`
  await mkdir(path, { mode: 0o700 }).catch((error) => {
    if (error.code !== 'EEXIST') throw error
  })
  const found = await lstat(path)
  const mine = [user?.uid, process.getuid?.()].includes(found.uid) && found.isDirectory()
  if (!mine) throw new Error(`${path} belongs to somebody else; Postgres needs it for its socket.`)
  await chmod(path, 0o700)
  if (user) await chown(path, user.uid, user.gid)
  return path
}
