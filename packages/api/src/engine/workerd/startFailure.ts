import type { ErrorCode } from '@jackcloud/sdk/wire'
import { JackError } from '../../Errors.ts'

/** workerd's words about an app that does not start, without what is ours, and what to do about it. */
export function startFailure(code: ErrorCode, raw: string): JackError {
  const output = raw
    .split('\n')
    .map((line) => line.replace(/^service app: (?:Uncaught )?/, ''))
    .filter((line) => !/^\s+at jack-entry\.js|imported from "_*jack-entry\.js"/.test(line))
    .join('\n')
    .replace(/^.*config\.capnp:\d+:\d+-?\d*: error: /gm, '')
    .trim()
    .slice(0, 4096)
  const first = output.split('\n')[0] ?? ''
  const hint = hints.find(([pattern]) => pattern.test(output))?.[1]
  return new JackError(
    code,
    first ? `The app does not start: ${first}` : 'The app does not start',
    {
      hint: hint ?? 'Run it locally, correct what the output says, and deploy again.',
      fields: { output },
    },
  )
}

const hints: [pattern: RegExp, hint: string][] = [
  [
    /No such module "node:/,
    'Add "nodejs_compat" to the compatibility flags, or leave the node: import out.',
  ],
  [/No such module/, 'Deploy the imported file too, and check its path.'],
  [
    /has no scheduled method/,
    'Write: export default { async scheduled({ cron }, env) { ... } }, or take the crons away.',
  ],
  [/has no queue method/, 'Write: export default { async queue(batch, env) { ... } }.'],
  [
    /does not provide an export named '(?!default')/,
    'Export the class that the configuration names: export class Room extends DurableObject { ... }',
  ],
  [
    /no default export|has no fetch method|does not provide an export named/,
    'Write: export default { fetch(request, env) { return new Response("hello") } }',
  ],
  [/SyntaxError/, 'Correct the line that the output names.'],
  [
    /top level runs too long|await in module is unsettled/,
    'Move work from the top level into fetch.',
  ],
  [/WebAssembly|CompileError/, 'Check that the file is a whole WebAssembly module.'],
  [/No such compatibility flag|ompatibility/, 'Check the compatibility date and flags.'],
  [/out of memory/i, 'The app loads too much at its top level.'],
]
