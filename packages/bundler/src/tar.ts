import { pathProblem } from './Files.ts'

export interface TarFile {
  /** Relative to the package's folder. */
  path: string
  bytes: Uint8Array
}

const block = 512

/**
 * The regular files of an npm package's archive, without its top folder. Links, devices and paths
 * that lead elsewhere are left out: nothing but plain files in plain folders ever lands on disk.
 *
 * Throws an Error when the archive is damaged or holds more than `maxFiles`.
 */
export function readTar(archive: Uint8Array, maxFiles: number): TarFile[] {
  const files = new Map<string, TarFile>()
  const folded = new Set<string>()
  let longName: string | undefined
  let longSize: number | undefined
  for (let offset = 0; offset + block <= archive.length; ) {
    const header = archive.subarray(offset, offset + block)
    if (header.every((byte) => byte === 0)) break
    if (!checksumHolds(header)) throw new Error('The archive is damaged.')
    const type = String.fromCharCode(header[156] ?? 0)
    const size = (type === 'x' || type === 'g' ? undefined : longSize) ?? number(header, 124, 12)
    const start = offset + block
    if (!Number.isSafeInteger(size) || size < 0 || start + size > archive.length) {
      throw new Error('The archive is cut off.')
    }
    const content = archive.subarray(start, start + size)
    offset = start + Math.ceil(size / block) * block
    if (type === 'x') {
      const records = paxRecords(content)
      longName = records.get('path') ?? longName
      const paxSize = records.get('size')
      if (paxSize !== undefined) longSize = Number(paxSize)
      continue
    }
    if (type === 'L') {
      longName = text(content, 0, content.length)
      continue
    }
    if (type === 'g') continue
    const name = longName ?? headerName(header)
    longName = undefined
    longSize = undefined
    if (type !== '0' && type !== '\0' && type !== '7') continue
    const path = name.replace(/^(?:\.\/)*[^/]*\/+/, '')
    if (name.startsWith('/') || pathProblem(path) !== undefined) continue
    const fold = path.normalize('NFC').toLowerCase()
    if (folded.has(fold) && !files.has(path)) continue
    folded.add(fold)
    files.set(path, { path, bytes: content })
    if (files.size > maxFiles) throw new Error(`The archive holds more than ${maxFiles} files.`)
  }
  return [...files.values()]
}

function headerName(header: Uint8Array): string {
  const name = text(header, 0, 100)
  const isUstar = text(header, 257, 5) === 'ustar'
  const prefix = isUstar ? text(header, 345, 155) : ''
  return prefix === '' ? name : `${prefix}/${name}`
}

function paxRecords(content: Uint8Array): Map<string, string> {
  const records = new Map<string, string>()
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(32, at)
    const length = space < 0 ? 0 : Number(text(content, at, space - at))
    if (!(length > 0)) break
    const record = text(content, space + 1, at + length - space - 2)
    const equals = record.indexOf('=')
    records.set(record.slice(0, equals), record.slice(equals + 1))
    at += length
  }
  return records
}

function checksumHolds(header: Uint8Array): boolean {
  let sum = 0
  for (let index = 0; index < block; index++) {
    sum += index >= 148 && index < 156 ? 32 : (header[index] ?? 0)
  }
  return sum === number(header, 148, 8)
}

function number(header: Uint8Array, at: number, length: number): number {
  // Sizes over 8 GB are written in base 256; nothing that large is a package.
  if ((header[at] ?? 0) & 0x80) return Number.NaN
  const digits = text(header, at, length).trim()
  return digits === '' ? 0 : Number.parseInt(digits, 8)
}

function text(bytes: Uint8Array, at: number, length: number): string {
  const part = bytes.subarray(at, at + length)
  const end = part.indexOf(0)
  return new TextDecoder().decode(end < 0 ? part : part.subarray(0, end))
}
