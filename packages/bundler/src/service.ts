import * as esbuild from 'esbuild'
import { BundleError } from './BundleError.ts'

/** Settled when nobody runs alone. */
let alone: Promise<unknown> = Promise.resolve()

/**
 * Runs work in esbuild's process, which all bundles share. A program can be nested so deeply that
 * the process dies with everything that is under way in it. Then each of these is done again by
 * itself, so that only the program that kills the process fails.
 */
export async function inService<Value>(work: () => Promise<Value>): Promise<Value> {
  await alone
  try {
    return await work()
  } catch (error) {
    if (!isGone(error)) throw error
  }
  const turn = alone.then(async () => {
    await esbuild.stop()
    try {
      return await work()
    } catch (error) {
      if (!isGone(error)) throw error
      await esbuild.stop()
      throw tooNested()
    }
  })
  alone = turn.catch(() => undefined)
  return turn
}

/** Ends esbuild's process; the next bundle starts it again. */
export async function stop(): Promise<void> {
  await esbuild.stop()
}

export function tooNested(file?: string): BundleError {
  return new BundleError(
    'bundle_failed',
    `${file ?? 'The program'} is nested too deeply to be compiled.`,
    'Move large data out of the code.',
    [{ text: 'The code is nested too deeply.', ...(file === undefined ? {} : { file }) }],
  )
}

function isGone(error: unknown): boolean {
  return (
    error instanceof Error &&
    /^The service (?:was stopped|is no longer running)/.test(error.message)
  )
}
