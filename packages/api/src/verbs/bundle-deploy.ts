import { BundleError, type Files, type Program, readProgram } from '@jackcloud/bundler'
import type { DeployRequest } from '@jackcloud/sdk/wire'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'

/** The program of a set of source files. Throws `missing_files`, `code_too_large`, `bundle_failed` or `invalid_request`. */
export async function bundleDeploy(
  jack: Jack,
  { files = {}, entry }: Pick<DeployRequest, 'files' | 'entry'>,
): Promise<Program> {
  if (Object.keys(files).length === 0) {
    throw new JackError('missing_files', 'No files were sent.', {
      hint: 'Send at least one, such as {"files": {"index.ts": "export default { fetch: () => new Response(\'hi\') }"}}.',
    })
  }
  return bundling(() =>
    readProgram(filesOf(files), {
      ...(entry !== undefined && { entry }),
      cacheDir: `${jack.config.dataDir}/packages`,
    }),
  )
}

/** Files of a request as the bundler takes them. */
export const filesOf = (files: NonNullable<DeployRequest['files']>): Files =>
  Object.fromEntries(
    Object.entries(files).map(([path, content]) => [
      path,
      typeof content === 'string' ? content : Buffer.from(content.base64, 'base64'),
    ]),
  )

/** Runs the bundler and puts its errors into ours. */
export async function bundling<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof BundleError)) throw error
    throw new JackError(error.code, error.message, {
      ...(error.hint && { hint: error.hint }),
      fields: {
        ...(error.errors.length > 0 && {
          errors: error.errors.map((it) => ({
            file: it.file,
            line: it.line,
            column: it.column,
            text: it.text,
            line_text: it.lineText,
            hint: it.hint,
          })),
        }),
      },
      cause: error,
    })
  }
}
