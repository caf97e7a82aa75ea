import { prices, toUsd } from '@jackcloud/sdk/wire'
import type { Context } from 'hono'
import { html } from 'hono/html'
import type { Jack } from '../../jack.ts'
import type { Door } from '../Door.ts'
import { page } from './page.ts'

/** What this is, how to begin, what it costs: for who comes by with a browser. */
export const frontPage = (c: Context<Door>, { urls: { api }, payments }: Jack): Promise<Response> =>
  page(c, {
    title: 'Run code, keep it on a live URL',
    body: html`<p>Jack runs a program once and answers its result, or puts it on a live URL. For agents and for people, paid
        by use${payments ? ', without an account' : ''}.</p>

      <h2>Begin</h2>
      <p>Tell your agent:</p>
      <pre tabindex="0" aria-label="What to tell an agent"><code>Read ${api}/SKILL.md and deploy this folder with it.</code></pre>
      <p>Or in a terminal:</p>
      <pre tabindex="0" aria-label="Commands"><code>npm install -g @jackcloud/cli
${payments ? 'jack wallet create\njack wallet fund' : 'jack login'} --url ${api}
jack deploy --url ${api}</code></pre>
      <p><a href="/sign-in">Sign in</a> to keep what an agent deployed, or to let a program use your account.</p>

      <h2>Prices</h2>
      <table>
        <caption class="quiet">Only what is delivered is charged.</caption>
        <tbody>
          <tr><th scope="row">A program that runs once</th><td>${usd(prices.execution)}</td></tr>
          <tr><th scope="row">A deploy, with ${usd(prices.deployIncludedRuntime)} of runtime</th><td>${usd(prices.deploy)}</td></tr>
          ${
            payments
              ? html`<tr><th scope="row">A deploy by one payment, for ${prices.charge.ttlHours} hours</th><td>${usd(prices.charge.deploy)}</td></tr>`
              : ''
          }
          <tr><th scope="row">A million requests to a live URL</th><td>${perMillion(prices.runtimeNanoUsd.request)}</td></tr>
          <tr><th scope="row">A million milliseconds of its CPU</th><td>${perMillion(prices.runtimeNanoUsd.cpuMs)}</td></tr>
        </tbody>
      </table>

      <h2>For programs</h2>
      <ul>
        <li><a href="/SKILL.md">SKILL.md</a>: everything that an agent has to know</li>
        <li><a href="/llms.txt">llms.txt</a>: the same for plain HTTP</li>
        <li><a href="/openapi.json">OpenAPI</a>: every operation</li>
        <li>MCP at <code>${api}/mcp</code>${payments ? html`, and with a wallet at <code>${api}/mcp/public</code>` : ''}</li>
      </ul>`,
  })

const usd = (microUsd: bigint): string => `$${toUsd(microUsd).replace(/(\.\d\d\d*?)0+$/, '$1')}`
const perMillion = (nanoUsd: bigint): string => usd(nanoUsd * 1_000n)
