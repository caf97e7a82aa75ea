import { copyFile, open, stat, truncate } from 'node:fs/promises'

const MOST_BYTES = 10 * 1024 * 1024

/** Keeps a log that a running process appends to, and the one before it, under 10 MB each. */
export async function capLog(path: string): Promise<void> {
  const size = await stat(path).then(
    (file) => file.size,
    () => 0,
  )
  if (size < MOST_BYTES) return
  await copyFile(path, `${path}.1`)
  await truncate(path)
}

/** The end of a text file, at most 2,000 bytes, and nothing before `from`. */
export async function tail(path: string, from = 0): Promise<string> {
  const file = await open(path).catch(() => undefined)
  if (!file) return ''
  try {
    const { size } = await file.stat()
    const start = Math.max(from, size - 2_000)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2_000), 0, 2_000, start)
    return buffer.toString('utf8', 0, bytesRead).trim()
  } finally {
    await file.close()
  }
}
