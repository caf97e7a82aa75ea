import { SourceMap, type SourceMapPayload } from 'node:module'

/** What the API calls a program that was sent as `code`. */
const sent = 'main.ts'

/**
 * A stack in the words of the author's files: places in the module that was sent are followed back through its map.
 * Other lines stay as they are.
 */
export function mapStack(stack: string, sourceMap: string): string {
  const map = new SourceMap(JSON.parse(sourceMap) as SourceMapPayload)
  return stack.replace(
    /\b([\w.]+):(\d+):(\d+)/g,
    (place, file: string, line: string, column: string) => {
      if (file !== sent) return place
      const origin = map.findOrigin(Number(line), Number(column))
      if (!('fileName' in origin) || !origin.fileName) return place
      return `${origin.fileName}:${origin.lineNumber}:${origin.columnNumber}`
    },
  )
}
