import type { Hono } from 'hono'
import type { Jack } from '../jack.ts'
import type { Door } from './Door.ts'
import { llmsText } from './llms.ts'
import { baseOf } from './oauth/resources.ts'
import { cacheControl, links } from './openapi.ts'
import { frontPage } from './pages/front.ts'
import { wantsPage } from './pages/page.ts'

/** The root of the API: a short page for who looks with a browser, and for programs where everything is. */
export function frontDoor(app: Hono<Door>, jack: Jack): void {
  const text = llmsText(jack)
  app.get('/', async (c) => {
    c.header('link', links)
    if (wantsPage(c)) return frontPage(c, jack)
    c.header('vary', 'accept, host')
    c.header('cache-control', cacheControl)
    if ((c.req.header('accept') ?? '').includes('application/json'))
      return c.json(overview(baseOf(c, jack)))
    return c.text(text)
  })
}

const overview = (base: string) => ({
  name: 'Jack',
  description: 'Runs code in fresh isolates and puts programs on live URLs, paid per use.',
  openapi: `${base}/openapi.json`,
  llms: `${base}/llms.txt`,
  skill: `${base}/SKILL.md`,
  mcp: `${base}/mcp`,
  status: `${base}/readyz`,
})
