import { run } from '../harness/processes.ts'

/** A fresh Node process for one program: what people do who have nothing else. No limits, no walls. */
export async function runInNode(code: string, input: unknown): Promise<string> {
  const program = `${code}\nconsole.log(JSON.stringify(await run(${JSON.stringify(input)})))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program])
  return stdout
}
