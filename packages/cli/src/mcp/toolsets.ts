import { JackError } from '@jackcloud/sdk'
import { type Toolset, toolsets } from '@jackcloud/sdk/mcp'

/** @example toolsetsOf('compute,projects') // ['compute', 'projects'] */
export function toolsetsOf(text: string): Toolset[] {
  const named = text.split(',').map((it) => it.trim())
  const unknown = named.find((it) => !toolsets.some((known) => known === it))
  if (unknown === undefined) return named as Toolset[]
  throw new JackError('usage', `There is no toolset "${unknown}".`, {
    hint: `There are: ${toolsets.join(', ')}.`,
  })
}
