import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writePrivately } from '../writePrivately.ts'
import type { Ready } from './start.ts'

/** Where a running cloud leaves what it said when it was ready, so that a second `jack up` finds it. */
const file = (data: string): string => join(data, 'up.json')

/** The cloud that runs with this data folder, if one does and answers. */
export async function running(data: string): Promise<Ready | undefined> {
  const ready = read(data)
  if (!ready || !isAlive(ready.pid)) return undefined
  try {
    const response = await fetch(`${ready.url}/healthz`, { signal: AbortSignal.timeout(2_000) })
    return response.ok ? ready : undefined
  } catch {
    return undefined
  }
}

function read(data: string): Ready | undefined {
  try {
    return JSON.parse(readFileSync(file(data), 'utf8'))
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

export const remember = (data: string, ready: Ready): void =>
  writePrivately(file(data), `${JSON.stringify(ready)}\n`)

export const forget = (data: string): void => rmSync(file(data), { force: true })
