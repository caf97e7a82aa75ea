import { undisturbed } from './print.ts'
import type { Session } from './session.ts'

/** Yes or no, on the terminal. Without somebody to ask, the answer is `--yes`. */
export async function confirm(session: Session, message: string): Promise<boolean> {
  if (session.yes) return true
  if (!session.interactive) return false
  const { confirm, isCancel } = await import('@clack/prompts')
  const answer = await confirm({ message, initialValue: false, output: process.stderr })
  if (isCancel(answer)) throw interrupted()
  return answer
}

/** A line of text, which must be one that `check` accepts. */
export async function askText(
  message: string,
  check: (text: string) => string | undefined,
): Promise<string> {
  const { text, isCancel } = await import('@clack/prompts')
  const answer = await text({ message, output: process.stderr, validate: (it) => check(it ?? '') })
  if (isCancel(answer)) throw interrupted()
  return answer
}

/** A line that is not shown. */
export async function askSecret(message: string): Promise<string> {
  const { password, isCancel } = await import('@clack/prompts')
  // A payment may need it in the midst of anything.
  const answer = await undisturbed(() => password({ message, output: process.stderr }))
  if (isCancel(answer)) throw interrupted()
  return answer ?? ''
}

export async function choose<T extends string>(
  message: string,
  choices: { value: T; label: string; hint: string }[],
): Promise<T> {
  const { select, isCancel } = await import('@clack/prompts')
  const options = choices as Parameters<typeof select<string>>[0]['options']
  const answer = await select<string>({ message, options, output: process.stderr })
  if (isCancel(answer)) throw interrupted()
  return answer as T
}

/** All of stdin as text, without the line break at its end. */
export async function readStdin(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk)
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '')
}

const interrupted = () => new DOMException('Interrupted.', 'AbortError')
