import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a fake was called with. */
export interface Call {
  argv: string[]
  env: Record<string, string>
}

/**
 * A folder for PATH with a fake of `secret-tool` and one of `security`, which keep their secrets in a file. They are
 * stand-ins: they know only the few words that are used here, and no locking.
 */
export function fakeKeychain(folder: string) {
  mkdirSync(folder, { recursive: true })
  const secrets = join(folder, 'secrets')
  const calls = join(folder, 'calls.jsonl')
  mkdirSync(secrets)
  for (const [name, body] of Object.entries({ 'secret-tool': secretTool, security })) {
    const head = `#!${process.execPath}\nconst SECRETS = ${JSON.stringify(secrets)}\nconst CALLS = ${JSON.stringify(calls)}\n`
    writeFileSync(join(folder, name), head + common + body, { mode: 0o755 })
  }
  const file = (service: string, account: string) =>
    join(secrets, encodeURIComponent(`${service} ${account}`))
  return {
    path: folder,
    get: (service: string, account: string) =>
      existsSync(file(service, account)) ? readFileSync(file(service, account), 'utf8') : undefined,
    put: (service: string, account: string, secret: string) =>
      writeFileSync(file(service, account), secret),
    calls: (): Call[] =>
      existsSync(calls)
        ? readFileSync(calls, 'utf8')
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line))
        : [],
  }
}

/** Each secret is a file of its own, so that calls at the same time do not lose one another's. */
const common = `
const fs = require('node:fs')
const argv = process.argv.slice(2)
fs.appendFileSync(CALLS, JSON.stringify({ argv, env: process.env }) + '\\n')
const file = (service, account) => SECRETS + '/' + encodeURIComponent(service + ' ' + account)
const after = (words, name) => words[words.indexOf(name) + 1]
`

const secretTool = `
const it = file(after(argv, 'service'), after(argv, 'account'))
if (argv[0] === 'store') fs.writeFileSync(it, fs.readFileSync(0, 'utf8'))
else if (!fs.existsSync(it)) process.exit(1)
else if (argv[0] === 'lookup') process.stdout.write(fs.readFileSync(it, 'utf8'))
else if (argv[0] === 'clear') fs.rmSync(it)
else process.exit(2)
`

const security = `
const run = (words) => {
  const it = file(after(words, '-s'), after(words, '-a'))
  if (words[0] === 'add-generic-password') return fs.writeFileSync(it, after(words, '-w'))
  if (!fs.existsSync(it)) {
    process.stderr.write('The specified item could not be found in the keychain.\\n')
    process.exit(44)
  }
  if (words[0] === 'find-generic-password') process.stdout.write(fs.readFileSync(it, 'utf8') + '\\n')
  else if (words[0] === 'delete-generic-password') fs.rmSync(it)
  else process.exit(2)
}
if (argv[0] !== '-i') run(argv)
else
  for (const line of fs.readFileSync(0, 'utf8').split('\\n').filter(Boolean))
    run([...line.matchAll(/"([^"]*)"|(\\S+)/g)].map((it) => it[1] ?? it[2]))
`
