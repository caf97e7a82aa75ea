import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping'

/**
 * A stack in the words of the sources: places in the bundled module become places in the author's files, and frames
 * of the host around it go away. Lines that can't be followed stay as they are.
 *
 * @param module name of the bundled module, as frames have it
 * @param sourceMap JSON text of its source map
 */
export function mapStack(stack: string, module: string, sourceMap: string): string {
  const map = new TraceMap(sourceMap)
  const place = new RegExp(`(?:file:///)?\\b${RegExp.escape(module)}:(\\d+):(\\d+)`, 'g')
  return stack
    .split('\n')
    .filter((line) => !/^\s+at .*(?:__jack|jack-host)/.test(line))
    .map((line) =>
      line.replace(place, (whole, row: string, column: string) => {
        const origin = originalPositionFor(map, { line: Number(row), column: Number(column) - 1 })
        return origin.source === null
          ? whole
          : `${origin.source}:${origin.line}:${(origin.column ?? 0) + 1}`
      }),
    )
    .join('\n')
}
