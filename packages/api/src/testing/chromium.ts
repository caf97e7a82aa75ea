import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'

const places = [
  process.env.JACK_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** A real browser, without a window. */
export function openChromium(): Promise<Browser> {
  const executablePath = places.find((it) => it && existsSync(it))
  if (!executablePath) {
    throw new Error(
      'The pages are tested in Chromium, and there is none. Install it (Debian: apt-get install chromium; macOS: brew install --cask google-chrome), or name one in JACK_CHROMIUM.',
    )
  }
  return chromium.launch({ executablePath, chromiumSandbox: false })
}

/** What is in the way of people who can not see well, or use no mouse (WCAG 2.2 AA): one line each. */
export async function barriersOf(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(options: object): Promise<{
          violations: { id: string; nodes: { html: string; failureSummary: string }[] }[]
        }>
      }
    }
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
    const { violations } = await axe.run({ runOnly: tags })
    return violations.flatMap(({ id, nodes }) =>
      nodes.map((it) => `${id}: ${it.html}: ${it.failureSummary}`),
    )
  })
}

/** Keeps pictures of a page in the folder JACK_SCREENSHOTS, for somebody to look at: light, dark, and on a phone. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env.JACK_SCREENSHOTS
  if (!folder) return
  await mkdir(folder, { recursive: true })
  const shoot = (look: string) =>
    page.screenshot({ path: join(folder, `${name}-${look}.png`), fullPage: true })
  const before = page.viewportSize() ?? { width: 900, height: 700 }
  await page.emulateMedia({ colorScheme: 'light' })
  await shoot('light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await shoot('dark')
  await page.setViewportSize({ width: 360, height: 740 })
  await shoot('phone-dark')
  await page.emulateMedia({ colorScheme: 'light' })
  await shoot('phone')
  await page.setViewportSize(before)
}
