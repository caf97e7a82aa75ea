import { realpathSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { JackError } from '@jackcloud/sdk'

/**
 * Asks the cloud that runs on a folder, through its operator's socket, which only who may read the folder can open.
 * Throws `network` when none runs there.
 */
export function askOperator(
  data: string,
  path: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((answer, reject) => {
    const absent = () =>
      reject(
        new JackError('network', `No Jack Cloud runs on ${data}.`, {
          hint: 'It is asked while it runs. To save one that does not, copy the folder.',
          next: [{ command: `jack up --data ${data}`, when: 'to start it' }],
        }),
      )
    let socketPath: string
    try {
      socketPath = realpathSync(join(data, 'operator.sock'))
    } catch {
      return absent()
    }
    const asked = request({ socketPath, method: 'POST', path, signal }, answer)
    asked.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? absent() : reject(error),
    )
    asked.end()
  })
}
