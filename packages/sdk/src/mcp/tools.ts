import type { z } from 'zod'
import { effectOf, isIdempotent, type Operation, operations } from '../wire/operations.ts'
import { Usd } from '../wire/Usd.ts'
import { cost } from './prices.ts'
import { inputSchema, outputSchema } from './schema.ts'
import type { Host, Tool, Toolset } from './Tool.ts'
import { addBalance } from './tools/addBalance.ts'
import { deleteProject } from './tools/deleteProject.ts'
import { deployProject } from './tools/deployProject.ts'
import { executeCode } from './tools/executeCode.ts'
import { getBalance } from './tools/getBalance.ts'
import { getLogs } from './tools/getLogs.ts'
import { getProject } from './tools/getProject.ts'
import { getQuote } from './tools/getQuote.ts'
import { listProjects } from './tools/listProjects.ts'
import { listStagedFiles } from './tools/listStagedFiles.ts'
import { rollbackProject } from './tools/rollbackProject.ts'
import { stageFile } from './tools/stageFile.ts'
import { updateEnvVars } from './tools/updateEnvVars.ts'
import { whoami } from './tools/whoami.ts'

/** Every tool there is, by name. */
export const tools: readonly Tool[] = [
  addBalance,
  deleteProject,
  deployProject,
  executeCode,
  getBalance,
  getLogs,
  getProject,
  getQuote,
  listProjects,
  listStagedFiles,
  rollbackProject,
  stageFile,
  updateEnvVars,
  whoami,
].toSorted((a, b) => (a.name < b.name ? -1 : 1))

/** The operation that a tool stands for. */
export const operationOf = (it: Tool): Operation => operations[it.operations[0]]

/** A tool as a host offers it. */
export interface Offered {
  tool: Tool
  input: z.ZodObject
  listing: ReturnType<typeof listing>
}

/** The tools of some toolsets by name, in their order. They are made once for all servers of a kind of host. */
export function offered(toolsets: readonly Toolset[], host: Host): ReadonlyMap<string, Offered> {
  const key = `${toolsets.toSorted()} ${host.folders !== undefined}`
  const known = made.get(key)
  if (known) return known
  const chosen = tools.filter((it) => toolsets.includes(it.toolset))
  const offer = new Map(chosen.map((it) => [it.name, offerOf(it, host)]))
  made.set(key, offer)
  return offer
}

const made = new Map<string, ReadonlyMap<string, Offered>>()

function offerOf(tool: Tool, { folders }: Host): Offered {
  const { folderInput } = tool
  const input = folders && folderInput ? tool.input.extend(folderInput.shape) : tool.input
  return { tool, input, listing: listing(tool, input) }
}

/** A tool as `tools/list` tells it. */
function listing(it: Tool, input: z.ZodObject) {
  const operation = operationOf(it)
  const { summary, when, not, price } = operation
  const effect = effectOf(operation)
  return {
    name: it.name,
    title: it.title,
    description: [`${summary}.`, when, it.also, not && `Not: ${not}`, cost(operation)]
      .filter(Boolean)
      .join(' '),
    inputSchema: inputSchema(input),
    outputSchema: outputSchema(price ? it.output.extend(left) : it.output),
    annotations: {
      readOnlyHint: effect === 'reads',
      destructiveHint: effect === 'destroys',
      idempotentHint: isIdempotent(operation),
      openWorldHint: operation.openWorld ?? false,
    },
  }
}

/** What the answers of paid tools say beside their own. */
const left = {
  left_usd: Usd.nullable().describe('What can be spent yet: of the balance or the payment session'),
}
