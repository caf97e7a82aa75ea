import { createJack } from '@jackcloud/sdk'
import { localFetch } from '@jackcloud/sdk/node'
import type { BrowserContext, Browser as Chromium, Page } from 'playwright-core'
import { type Hex, hexToString } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { newWallet, testChain } from '../../payments/localnet/testing.ts'
import { barriersOf, openChromium, picture } from '../../testing/chromium.ts'
import { type TestCloud, testCloud } from '../../testing/cloud.ts'
import { fakeGitHub } from '../../testing/fakeGitHub.ts'
import { form, Program } from '../../testing/oauth.ts'

// Pages as people meet them: in a real browser, with its own walls, keyboards and colours.

const chain = testChain()
let chromium: Chromium
let github: Awaited<ReturnType<typeof fakeGitHub>>
let cloud: TestCloud
const contexts: BrowserContext[] = []
/** What a page was refused by its own policy, or complained of otherwise. */
const complaints: string[] = []

beforeAll(async () => {
  chromium = await openChromium()
  github = await fakeGitHub()
  const { rpcUrl } = await chain()
  cloud = await testCloud({ ...github.env, JACK_CHAIN: 'local', JACK_RPC_URL: rpcUrl })
})
afterAll(async () => {
  await chromium?.close()
  await cloud?.close()
  await github?.close()
})
afterEach(async () => {
  await Promise.all(contexts.splice(0).map((it) => it.close()))
  expect(complaints.splice(0)).toEqual([])
})

/** A new person before a browser. */
async function visitor(options: { javaScriptEnabled?: boolean; wallet?: Hex } = {}): Promise<Page> {
  const { wallet, ...rest } = options
  const context = await chromium.newContext({ viewport: { width: 900, height: 700 }, ...rest })
  contexts.push(context)
  if (wallet) await giveWallet(context, wallet)
  const page = await context.newPage()
  page.on('console', (it) => {
    if (it.type() === 'error' && !/the server responded with a status of 4/.test(it.text()))
      complaints.push(it.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  return page
}

/** What a wallet's extension puts into every page (EIP-1193), with a real key behind it. */
async function giveWallet(context: BrowserContext, key: Hex): Promise<void> {
  const account = privateKeyToAccount(key)
  await context.exposeFunction('walletSigns', (message: Hex, address: string) => {
    if (address.toLowerCase() !== account.address.toLowerCase()) throw new Error('another account')
    return account.signMessage({ message: hexToString(message) })
  })
  await context.addInitScript((address) => {
    const page = window as unknown as {
      walletSigns(...params: unknown[]): Promise<string>
      walletRefuses?: boolean
      ethereum: object
    }
    page.ethereum = {
      async request({ method, params = [] }: { method: string; params?: unknown[] }) {
        if (sessionStorage.getItem('refuses')) throw new Error('User rejected the request.')
        if (method === 'eth_requestAccounts') return [address.toLowerCase()]
        if (method === 'personal_sign') return page.walletSigns(...params)
        throw new Error(`no ${method}`)
      },
    }
  }, account.address)
}

const go = (page: Page, path: string) => page.goto(`${cloud.url}${path}`)
const press = (page: Page, name: string | RegExp) =>
  page.getByRole('button', { name, exact: true }).click()
const headingOf = (page: Page) => page.getByRole('heading', { level: 1 }).textContent()

async function deployed(name: string): Promise<{ url: string; claim: string }> {
  const { rpcUrl } = await chain()
  const agent = createJack({
    url: cloud.url,
    account: await newWallet(await chain()),
    fetch: localFetch as typeof fetch,
    rpcUrl,
    pay: 'session',
  })
  const made = await agent.deploy({
    name,
    files: { 'index.html': '<!doctype html><title>mine</title>hello' },
  })
  return { url: made.url, claim: (made.claim_url as string).slice(cloud.url.length) }
}

test('one click signs in on a machine of ones own, and the keyboard alone does it too', async () => {
  const page = await visitor()
  await go(page, '/sign-in')
  for (let i = 0; i < 2; i++) await page.keyboard.press('Tab')
  expect(await page.evaluate(() => document.activeElement?.textContent)).toContain(
    'on this machine',
  )
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'You are signed in' }).waitFor()
  await press(page, 'Sign out')
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
})

test('a wallet in the browser is asked twice, and nothing has to be typed', async () => {
  const key = generatePrivateKey()
  const page = await visitor({ wallet: key })
  await go(page, '/sign-in')
  expect(await page.getByLabel('Address of your wallet').isVisible()).toBe(false)
  await press(page, 'Sign in with a wallet')
  await page.getByRole('heading', { name: 'You are signed in' }).waitFor()
  const { address } = privateKeyToAccount(key)
  expect(await page.textContent('dd')).toContain(`${address.slice(0, 6).toLowerCase()}…`)
})

test('a wallet that says no is told of, and a person can go on by hand', async () => {
  const key = generatePrivateKey()
  const page = await visitor({ wallet: key })
  await go(page, '/sign-in')
  await page.evaluate(() => sessionStorage.setItem('refuses', 'yes'))
  await press(page, 'Sign in with a wallet')
  await page.getByText('User rejected the request.').waitFor()
  const account = privateKeyToAccount(key)
  await page.getByLabel('Address of your wallet').fill(account.address)
  await press(page, 'Sign in with a wallet')
  await page.getByText('User rejected the request.').waitFor()
  const message = (await page.locator('#message').textContent()) as string
  await picture(page, 'sign-message-refused')
  await page.getByLabel('Signature').fill(await account.signMessage({ message }))
  await press(page, 'Sign in')
  await page.getByRole('heading', { name: 'You are signed in' }).waitFor()
})

test('a person goes to GitHub and comes back to where he was', async () => {
  const page = await visitor()
  const { claim } = await deployed('from-github')
  await go(page, claim)
  await page.getByRole('link', { name: 'Sign in to keep it' }).click()
  await press(page, 'Sign in with GitHub')
  await page.getByRole('heading', { name: 'Keep this project?' }).waitFor()
  expect(await page.textContent('dl')).toContain('octocat')
  await press(page, 'Keep it')
  await page.getByRole('heading', { name: 'from-github is yours' }).waitFor()
})

test('without JavaScript everything works: three ways to sign in, and a claim', async () => {
  const page = await visitor({ javaScriptEnabled: false })
  const { claim } = await deployed('plain')
  await go(page, '/sign-in')
  await press(page, 'Sign in with GitHub')
  expect(await headingOf(page)).toBe('You are signed in')
  await press(page, 'Sign out')

  const wallet = privateKeyToAccount(generatePrivateKey())
  await page.getByLabel('Address of your wallet').fill(wallet.address)
  await press(page, 'Sign in with a wallet')
  const message = (await page.locator('#message').textContent()) as string
  await page.getByLabel('Signature').fill(await wallet.signMessage({ message }))
  await press(page, 'Sign in')
  expect(await headingOf(page)).toBe('You are signed in')
  await press(page, 'Sign out')

  await go(page, claim)
  await page.getByRole('link', { name: 'Sign in to keep it' }).click()
  await press(page, 'Sign in on this machine')
  await press(page, 'Keep it')
  expect(await headingOf(page)).toBe('plain is yours')
})

test('a program is let in by a person who has to sign in first', async () => {
  const page = await visitor()
  const program = await Program.register(cloud)
  await go(page, program.path())
  await press(page, 'Sign in on this machine')
  expect(await headingOf(page)).toContain('use your account?')
  expect(await barriersOf(page)).toEqual([])
  await picture(page, 'consent')
  const left = page.waitForRequest((it) => it.url().startsWith(program.redirectUri))
  await press(page, /^Allow$/)
  expect(new URL((await left).url()).searchParams.get('code')).toMatch(/^jkc_/)
})

test('a browser leaves for a program on this machine and for an app with a scheme of its own', async () => {
  for (const redirectUri of ['http://[::1]:4711/callback', 'x-app://callback/done']) {
    const page = await visitor({ javaScriptEnabled: false })
    const program = await Program.register(cloud, redirectUri)
    await go(page, program.path())
    await press(page, 'Sign in on this machine')
    const answered = page.waitForResponse((it) => it.request().method() === 'POST')
    await page.getByRole('button', { name: /^Allow$/ }).click({ noWaitAfter: true })
    const { location = '' } = (await answered).headers()
    expect(location.startsWith(redirectUri)).toBe(true)
  }
})

test('the code of a terminal is typed into a browser', async () => {
  const page = await visitor()
  const device = { client_id: 'jack-cli', resource: cloud.url, device_name: 'server' }
  const { json } = await form(cloud, '/oauth/device_authorization', device)
  await go(page, '/device')
  await press(page, 'Sign in on this machine')
  expect(await barriersOf(page)).toEqual([])
  await page.getByLabel('The code that the program shows').fill(json.user_code.toLowerCase())
  await press(page, 'Go on')
  expect(await barriersOf(page)).toEqual([])
  await picture(page, 'device')
  await press(page, /^Allow$/)
  expect(await headingOf(page)).toBe('Signed in')
})

test('hostile apps on live URLs neither send our forms nor set our cookies nor show our pages', async () => {
  const page = await visitor()
  await go(page, '/sign-in')
  await press(page, 'Sign in on this machine')
  await page.getByRole('heading', { name: 'You are signed in' }).waitFor()
  const csrf = await page.locator('input[name=csrf]').getAttribute('value')

  const evil = `<!doctype html><title>evil</title>
    <iframe src="${cloud.url}/sign-in"></iframe>
    <form id="f" method="post" action="${cloud.url}/sign-out"><input name="csrf" value="${csrf}"></form>
    <script>
      for (const domain of ['', '; domain=localhost', '; domain=127.0.0.1', '; domain=.localhost'])
        document.cookie = 'jack=' + 'a'.repeat(43) + '; path=/' + domain
    </script>`
  const { json } = await cloud.api('POST', '/deploy', {
    name: 'evil',
    files: { 'index.html': evil },
  })
  await page.goto(json.url)
  const read = await page.evaluate(
    (url) =>
      fetch(`${url}/sign-in`, { credentials: 'include' }).then(
        () => 'read',
        () => 'refused',
      ),
    cloud.url,
  )
  expect(read).toBe('refused')
  const sent = page.waitForResponse(`${cloud.url}/sign-out`)
  await page.evaluate(() => (document.getElementById('f') as HTMLFormElement).submit())
  expect((await sent).status()).toBe(403)
  await page.getByText('Another site sent this form.').waitFor()
  await go(page, '/sign-in')
  expect(await headingOf(page)).toBe('You are signed in')
  // The browser refused the frame and the reading, and said so.
  expect(complaints.splice(0).toSorted()).toEqual([
    expect.stringMatching(/has been blocked by CORS policy/),
    expect.stringMatching(/net::ERR_FAILED/),
    expect.stringMatching(/frame-ancestors 'none'/),
  ])
})

test('every page is there for everybody: contrast, names, order, on a phone and in the dark', async () => {
  const page = await visitor()
  const { claim } = await deployed('for-everybody')
  const look = async (name: string) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      expect(await barriersOf(page), `${name}, ${colorScheme}`).toEqual([])
    }
    await picture(page, name)
    await page.setViewportSize({ width: 320, height: 640 })
    const wide = await page.evaluate(() => document.documentElement.scrollWidth)
    expect(wide, `${name} scrolls sideways`).toBeLessThanOrEqual(320)
    await page.setViewportSize({ width: 900, height: 700 })
  }
  for (const [name, path] of Object.entries({
    front: '/',
    'sign-in': '/sign-in',
    'claim-stranger': claim,
    'not-found': '/nowhere',
  })) {
    await go(page, path)
    await look(name)
  }
  await go(page, '/sign-in')
  await page.getByLabel('Address of your wallet').fill(`0x${'1'.repeat(40)}`)
  await press(page, 'Sign in with a wallet')
  await look('sign-message')
  await go(page, '/sign-in')
  await press(page, 'Sign in on this machine')
  await look('signed-in')
  await go(page, claim)
  await look('claim')
  await press(page, 'Keep it')
  await look('claimed')
  await go(page, '/device')
  await look('device')
})
