import { constants } from 'node:fs'
import { copyFile, mkdir, open, readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'

/**
 * Copies a file or a folder, if there is one. Regular files only, and none by a detour: a hostile program wrote here,
 * and may put links in place of its folders at any moment.
 *
 * @param root the real path that everything must lie in
 */
export async function copyTree(root: string, from: string, to: string): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true }).catch((error) => {
    // Folders in folders in folders beyond every path are nobody's data.
    if (['ENOTDIR', 'ENOENT', 'ENAMETOOLONG'].includes(error.code)) return undefined
    throw error
  })
  if (!entries) return copyPlainFile(root, from, to)
  await mkdir(to, { recursive: true, mode: 0o700 })
  for (const entry of entries) {
    const path = join(from, entry.name)
    if (entry.isDirectory()) await copyTree(root, path, join(to, entry.name))
    else if (entry.isFile()) await copyPlainFile(root, path, join(to, entry.name))
  }
}

async function copyPlainFile(root: string, from: string, to: string): Promise<void> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(from, flags).catch(() => undefined)
  if (!file) return
  try {
    const opened = await file.stat({ bigint: true })
    const folder = await realpath(dirname(from))
    const inside = folder === root || folder.startsWith(root + sep)
    const named = inside && (await stat(join(folder, basename(from)), { bigint: true }))
    if (!opened.isFile() || !named || named.ino !== opened.ino || named.dev !== opened.dev) return
    // The kernel copies, and shares the blocks where the file system can.
    if (process.platform === 'linux')
      await copyFile(`/proc/self/fd/${file.fd}`, to, constants.COPYFILE_FICLONE)
    else
      await pipeline(
        file.createReadStream({ autoClose: false }),
        (await open(to, 'w', 0o600)).createWriteStream(),
      )
  } finally {
    await file.close()
  }
}
