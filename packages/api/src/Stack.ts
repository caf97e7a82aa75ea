import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping'

/** Where frames point to: `main` is the name of the bundled module, as frames have it. */
export interface MappedBundle {
  main: string
  /** Empty when the module is its only input itself. */
  sourceMap: string
  inputs: string[]
}

/**
 * A stack in the words of the sources: places in the bundled module become places in the author's files, and frames
 * of the host around it go away. Lines that can't be followed stay as they are.
 */
export const mapStack = (stack: string, bundle: MappedBundle): string => stackMapper(bundle)(stack)

/** The same for many stacks of one bundle: its map is read once. Throws when it is none. */
export function stackMapper({ main, sourceMap, inputs }: MappedBundle): (stack: string) => string {
  const map = sourceMap === '' ? undefined : new TraceMap(sourceMap)
  const place = new RegExp(`(?:file:///)?\\b${RegExp.escape(main)}:(\\d{1,9}):(\\d{1,9})`, 'g')
  return (stack) =>
    stack
      .split('\n')
      .filter((line) => !/^\s+at .*(?:__jack|jack-host)/.test(line))
      .map((line) =>
        line.replace(place, (whole, row: string, column: string) => {
          if (!map) return `${inputs[0]}:${row}:${column}`
          if (Number(row) < 1 || Number(column) < 1) return whole
          const origin = originalPositionFor(map, { line: Number(row), column: Number(column) - 1 })
          return origin.source !== null && isName(origin.source)
            ? `${origin.source}:${origin.line}:${(origin.column ?? 0) + 1}`
            : whole
        }),
      )
      .join('\n')
}

/** A map comes from whoever deploys: what it calls a file may be anything. */
const isName = (source: string): boolean => source.length <= 300 && !/\p{C}/u.test(source)
