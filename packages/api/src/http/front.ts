import type { Hono } from 'hono'
import { html } from 'hono/html'
import type { Jack } from '../jack.ts'
import type { Door } from './Door.ts'
import { llmsText } from './llms.ts'
import { baseOf } from './oauth/resources.ts'
import { cacheControl, links } from './openapi.ts'
import { page, wantsPage } from './pages/page.ts'

/** The root of the API: a short page for who looks with a browser, and for programs where everything is. */
export function frontDoor(app: Hono<Door>, jack: Jack): void {
  const text = llmsText(jack)
  app.get('/', async (c) => {
    c.header('link', links)
    if (wantsPage(c)) return page(c, frontPage)
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

const frontPage = {
  title: 'Jack',
  body: html`<p>Programs run here, and stay here: code goes in, a result or a live URL comes out.</p>
    <p>For an agent: <a href="/SKILL.md">SKILL.md</a>, <a href="/llms.txt">llms.txt</a>, or the MCP server at
      <code>/mcp</code>.</p>
    <p>For a program: <a href="/openapi.json">OpenAPI</a>, or <code>npm i @jackcloud/sdk</code>.</p>
    <p>For you: <code>npm i -g @jackcloud/cli</code>, then <code>jack login</code> and <code>jack deploy</code>.</p>`,
}
