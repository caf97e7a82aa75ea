import { createHash } from 'node:crypto'
import type { Program } from '@jackcloud/bundler'
import type { FileBytes } from './multipart.ts'
import type { Input } from './operations.ts'
import { manifestOf } from './wire/program.ts'

/** The manifest of a program and the bytes that go with it, by sha256. */
export function packed(program: Program): {
  manifest: Input<'upload'>
  files: Map<string, FileBytes>
} {
  const files = new Map<string, FileBytes>()
  const add = (bytes: Uint8Array) => {
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    files.set(sha256, bytes)
    return { sha256, sizeBytes: bytes.byteLength }
  }
  const digests = (program.bundle?.modules ?? []).map((module) => add(module.bytes))
  const map = program.bundle?.sourceMap
  const sourceMap = map ? add(Buffer.from(map)).sha256 : undefined
  for (const file of program.assets?.files ?? []) {
    if (!files.has(file.sha256)) files.set(file.sha256, () => file.bytes())
  }
  return { manifest: manifestOf(program, digests, sourceMap), files }
}
