import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping'

/**
 * A stack in the words of the sources: places in the bundled module become places in the author's files, and frames
 * of the host around it go away. Lines that can't be followed stay as they are.
 *
 * @param bundle `main` is the name of its module, as frames have it; without a source map, it is its only input itself
 */
export function mapStack(
  stack: string,
  bundle: { main: string; sourceMap: string; inputs: string[] },
): string {
  const { main: module, sourceMap, inputs } = bundle
  const map = sourceMap === '' ? undefined : new TraceMap(sourceMap)
  const place = new RegExp(`(?:file:///)?\\b${RegExp.escape(module)}:(\\d+):(\\d+)`, 'g')
  return stack
    .split('\n')
    .filter((line) => !/^\s+at .*(?:__jack|jack-host)/.test(line))
    .map((line) =>
      line.replace(place, (whole, row: string, column: string) => {
        if (!map) return `${inputs[0]}:${row}:${column}`
        const origin = originalPositionFor(map, { line: Number(row), column: Number(column) - 1 })
        return origin.source === null
          ? whole
          : `${origin.source}:${origin.line}:${(origin.column ?? 0) + 1}`
      }),
    )
    .join('\n')
}
