import { z } from 'zod'
import { Quote } from '../../wire/Account.ts'
import { Files } from '../../wire/Execute.ts'
import { ProjectName } from '../../wire/Names.ts'
import { folderAlone } from '../folderAlone.ts'
import { tool } from '../Tool.ts'

export const getQuote = tool({
  name: 'get_quote',
  title: 'Ask for a price',
  toolset: 'compute',
  operations: ['quote'],
  also: 'With `code` it is about an execution, else about a deploy.',
  input: z.strictObject({
    code: z.string().min(1).optional().describe('To execute'),
    files: Files.optional().describe('To deploy: path to content'),
    name: ProjectName.optional().describe('The project that would be deployed'),
    staged: z.boolean().optional().describe('Deploy what is staged under the name'),
    entry: z.string().max(512).optional(),
  }),
  folderInput: z.strictObject({ path: z.string().min(1).optional().describe('Folder to deploy') }),
  output: Quote,
  async run({ input, host, ...call }) {
    const { code, path, ...rest } = input
    if (path !== undefined && host.folders) {
      if (code ?? rest.files ?? rest.staged ?? rest.entry) throw folderAlone()
      return host.folders.quote(path, input.name, call)
    }
    const request = code === undefined ? rest : { code, entry: input.entry }
    return call.jack.quote(request, { signal: call.signal })
  },
})
