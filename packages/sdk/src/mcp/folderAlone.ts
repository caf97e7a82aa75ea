import { JackError } from '../JackError.ts'

/** A folder says by itself what is in it and where it begins. */
export const folderAlone = (): JackError =>
  new JackError(
    'invalid_request',
    '`path` goes with none of `code`, `files`, `staged` and `entry`.',
    {
      hint: 'Name the folder alone. Which module begins stands in its jack.json: {"main": "src/index.ts"}.',
    },
  )
