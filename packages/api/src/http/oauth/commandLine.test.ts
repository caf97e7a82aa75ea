import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Browser } from '../../testing/browser.ts'
import { type TestCloud, testCloud } from '../../testing/cloud.ts'
import { type Answer, decide, signedInBrowser } from '../../testing/oauth.ts'

const bin = fileURLToPath(new URL('../../../../cli/src/bin.ts', import.meta.url))
let cloud: TestCloud
let browser: Browser
beforeAll(async () => {
  cloud = await testCloud()
  browser = await signedInBrowser(cloud)
})
afterAll(() => cloud.close())

/** A person at a new machine. */
function person() {
  const home = mkdtempSync(join(tmpdir(), 'jack-login-'))
  const launch = (file: string, args: string[], more: Record<string, string> = {}) => {
    const env = { PATH: process.env.PATH, HOME: home, XDG_CONFIG_HOME: join(home, 'config') }
    const child = spawn(file, args, { cwd: home, env: { ...env, ...more } })
    child.stdin.end()
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
    const ended = async () => {
      const [stdout, stderr, exitCode] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        exited,
      ])
      return { stdout, stderr, exitCode }
    }
    return { child, ended: ended() }
  }
  const node = (args: string[]) => ['--conditions=jack:src', bin, ...args, '--url', cloud.url]
  const begun = async ({ child, ended }: ReturnType<typeof launch>) => {
    for await (const line of createInterface({ input: child.stdout }))
      if (line.startsWith('{')) return { child, ended, event: JSON.parse(line) }
    throw new Error((await ended).stderr)
  }
  return {
    start: (args: string[], env?: Record<string, string>) =>
      launch(process.execPath, node(args), env).ended,
    /** Starts a command that prints events, and answers the first of them. */
    begin: (args: string[]) => begun(launch(process.execPath, node([...args, '--json']))),
    /** The same at a terminal with a screen, where a browser opens that nobody uses. */
    beginAtScreen(args: string[]) {
      const command = [process.execPath, ...node([...args, '--json'])].join(' ')
      const screen = { DISPLAY: ':99', BROWSER: 'true' }
      return begun(launch('script', ['-qec', command, '/dev/null'], screen))
    },
    token: () =>
      JSON.parse(readFileSync(join(home, 'config/jack/config.json'), 'utf8')).tokens[cloud.url],
  }
}

/** What a person does with the code that a terminal shows. */
async function enter(code: string, answer?: Answer) {
  return decide(browser, await browser.get(`/device?user_code=${code}`), answer)
}

const last = (stdout: string) => JSON.parse(stdout.trim().split('\n').at(-1) ?? '')

test('without a browser a code is shown; who enters it signs the terminal in, and jack logout ends that', async () => {
  const { begin, start, token } = person()
  const { ended, event } = await begin(['login'])
  expect(event).toMatchObject({
    event: 'code',
    user_code: expect.stringMatching(/^[A-Z]{4}-[A-Z]{4}$/),
    verification_uri: `${cloud.url}/device`,
  })
  expect((await enter(event.user_code, { cap: '' })).text).toContain('is let in')
  const { stdout, exitCode } = await ended
  expect(exitCode).toBe(0)
  expect(last(stdout)).toMatchObject({
    event: 'signed_in',
    account: 'local',
    scopes: ['read', 'execute', 'deploy', 'admin'],
  })
  const who = await start(['whoami'])
  expect(who.stdout).toContain(`jack on ${hostname()}`)
  expect(who.stdout).toMatch(/ends +in (89|90)d/)
  const secret = token()
  expect(stdout + who.stdout).not.toContain(secret)

  const out = await start(['logout', '--json'])
  expect(last(out.stdout)).toEqual({ url: cloud.url, signed_out: true, revoked: true })
  const after = await cloud.api('GET', '/v1/me', undefined, { authorization: `Bearer ${secret}` })
  expect(after.status).toBe(401)
})

test('where there is a screen a browser opens, and comes back to the terminal', async () => {
  const { beginAtScreen, token } = person()
  const { ended, event } = await beginAtScreen(['login'])
  expect(event.event).toBe('open')
  const { pathname, search } = new URL(event.url)
  const { location = '' } = await decide(browser, await browser.get(pathname + search), { cap: '' })
  const done = await fetch(location)
  expect([done.status, await done.text()]).toEqual([
    200,
    expect.stringContaining('You can close this page'),
  ])
  expect((await ended).exitCode).toBe(0)
  const { json } = await cloud.api('GET', '/v1/me', undefined, {
    authorization: `Bearer ${token()}`,
  })
  expect(json.token).toMatchObject({ client_id: 'jack-cli', resource: 'api', daily_cap_usd: null })
})

test('who says no in the browser is told so in the terminal', async () => {
  const { begin } = person()
  const { ended, event } = await begin(['login', '--device'])
  await enter(event.user_code, { decision: 'deny' })
  const { stdout, exitCode } = await ended
  expect([exitCode, last(stdout).error.code]).toEqual([3, 'forbidden'])
})

test('Ctrl-C while it waits ends it at once, and nothing is kept', async () => {
  const { begin, token } = person()
  const { child, ended } = await begin(['login', '--device'])
  child.kill('SIGINT')
  const { stdout, exitCode } = await ended
  expect([exitCode, last(stdout).error.code]).toEqual([130, 'interrupted'])
  expect(token).toThrow()
})

test('a token that was made by hand is kept and forgotten, and goes on', async () => {
  const { start, token } = person()
  const { exitCode, stdout } = await start(['login', '--json'], { JACK_TOKEN: cloud.token })
  expect([exitCode, last(stdout).account]).toEqual([0, 'local'])
  expect(token()).toBe(cloud.token)
  const out = await start(['logout', '--json'])
  expect(last(out.stdout)).toEqual({ url: cloud.url, signed_out: true, revoked: false })
  expect((await cloud.api('GET', '/v1/me')).status).toBe(200)
})

test('where nobody can be, as in CI, a token is asked for', async () => {
  const { start } = person()
  const { exitCode, stderr } = await start(['login'], { CI: '1' })
  expect(exitCode).toBe(2)
  expect(stderr).toContain('JACK_TOKEN')
})
