import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandLine, fromSource, type Home, temporaryHome, text, type Up, up } from './harness.ts'

// Runs of a CI, as GitHub and GitLab start them: nothing is known there but the URL of the cloud.
const home: Home = temporaryHome('ci')
const elsewhere: Home = temporaryHome('ci-runner')
let issuer: {
  url: string
  actions: Record<string, string>
  idToken(claims: { aud: string }): Promise<string>
  close(): void
}
let cloud: Up
const { jack } = commandLine(home)

beforeAll(async () => {
  const testing = new URL('../packages/api/src/testing/localIssuer.ts', import.meta.url)
  issuer = await (await import(testing.href)).localIssuer()
  cloud = await up(home, join(home.path, 'cloud'), { env: { JACK_OIDC_ISSUERS: issuer.url } })
  expect(
    (await jack(['deploy', home.app('static-site'), '--name', 'site', '--json'])).exitCode,
  ).toBe(0)
  const whom = ['--issuer', issuer.url, '--subject', 'repo:octo/app:ref:refs/heads/main']
  const added = await jack(['trust', 'add', ...whom, '-p', 'site', '--daily', '0.20', '--json'])
  expect(JSON.parse(added.stdout)).toMatchObject({ project: 'site', daily_cap_usd: '0.200000' })
}, 120_000)
afterAll(async () => {
  await cloud?.stop()
  issuer?.close()
  await elsewhere.remove()
  await home.remove()
})

/** The script of `action.yml`, and the variables that it is given. */
function script(): string {
  const action = readFileSync(new URL('../action.yml', import.meta.url), 'utf8')
  const [, block = ''] = action.split('      run: |\n')
  return block.replace(/^ {8}/gm, '')
}

test('the action deploys what a run checked out, by the identity of the run alone', async () => {
  const { path } = elsewhere
  mkdirSync(join(path, 'bin'))
  // What npx would fetch from the registry.
  const [file, ...args] = fromSource.map((it) => `'${it}'`)
  writeFileSync(
    join(path, 'bin', 'npx'),
    `#!/bin/sh\nshift 2\nexec ${[file, ...args].join(' ')} "$@"\n`,
  )
  chmodSync(join(path, 'bin', 'npx'), 0o755)
  const output = join(path, 'output')
  const run = await execa('bash', ['-c', script()], {
    cwd: elsewhere.app('static-site'),
    env: {
      ...elsewhere.env,
      ...issuer.actions,
      CI: 'true',
      PATH: `${join(path, 'bin')}:${process.env.PATH}`,
      GITHUB_OUTPUT: output,
      JACK_URL: cloud.ready.url,
      JACK_TOKEN: '',
      DIRECTORY: '.',
      NAME: 'site',
      VERIFY: '/=200\n/about=200\n',
      VERSION: 'latest',
    },
    extendEnv: false,
    reject: false,
  })
  expect(run.stderr).not.toMatch(/jkt_/)
  expect(run.stdout).toMatch(/^::add-mask::jkt_\S+$/m)
  expect(run.exitCode).toBe(0)
  const outputs = Object.fromEntries(
    readFileSync(output, 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(/=(.*)/s)),
  )
  expect(outputs.deployment_id).toMatch(/^dep_/)
  expect(await text(outputs.url)).toContain('<html')
})

test('what a script pipes in is exchanged, and where there is nothing it says what to do', async () => {
  const runner = commandLine(elsewhere)
  const env = { JACK_URL: cloud.ready.url }
  const exchange = ['token', 'exchange', '--id-token', '-', '--json']
  const token = await issuer.idToken({ aud: cloud.ready.url })
  const exchanged = await runner.jack(exchange, { input: token, env })
  expect(JSON.parse(exchanged.stdout)).toMatchObject({
    project: 'site',
    scopes: ['read', 'deploy'],
  })
  const none = await runner.jack(['token', 'exchange'], { env })
  expect(none.exitCode).toBe(2)
  expect(none.stderr).toContain('id-token: write')
})

test('what a CI does not say of itself is not trusted as if it did', async () => {
  const whom = ['--gitlab', 'group/app', '--environment', 'production']
  const { exitCode, stderr } = await jack(['trust', 'add', ...whom, '-p', 'site'])
  expect(exitCode).toBe(2)
  expect(stderr).toContain('environment')
})

test('the owner sees whom the project trusts and what was done', async () => {
  const { stdout } = await jack(['trust', 'ls'])
  expect(stdout).toMatch(/tru_\S+ +repo:octo\/app:ref:refs\/heads\/main +site/)
  const { entries } = JSON.parse((await jack(['audit', '--json'])).stdout)
  const done = entries.map(
    (it: { operation: string; status: number }) => `${it.operation} ${it.status}`,
  )
  expect(done).toEqual(
    expect.arrayContaining(['upload 201', 'exchangeToken 201', 'createTrust 201']),
  )
  const [, id] = stdout.match(/(tru_\S+)/) as string[]
  expect((await jack(['trust', 'rm', id as string])).exitCode).toBe(0)
  expect((await jack(['trust', 'ls', '--json'])).stdout).toContain('"trusts":[]')
})
