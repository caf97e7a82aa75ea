import { limits, prices, toUsd } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import type { Jack } from '../jack.ts'
import type { Payments } from '../payments/Payments.ts'
import type { Door } from './Door.ts'
import { cacheControl, links } from './openapi.ts'

/** What an agent that comes by has to know (https://llmstxt.org). */
export function llmsDoor(app: Hono<Door>, jack: Jack): void {
  const text = llmsText(jack)
  app.get('/llms.txt', (c) =>
    c.body(text, 200, {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': cacheControl,
      link: links,
    }),
  )
}

/** Everything that has to be said to an agent that will use plain HTTP. */
export function llmsText({ urls: { api }, payments }: Jack): string {
  const { cpuMs, wallMs, memoryMb } = limits.execution
  return `# Jack

> Runs a program once in a fresh isolate, or puts it on a live URL. Paid per use${payments ? ', by a wallet or a token: no account is needed' : ' out of the balance of a token'}.

- Run: \`POST ${api}/execute\` with \`{"code": "export const run = ({ a, b }) => a + b", "input": {"a": 20, "b": 22}}\`
  answers \`result\`, \`logs\` and what it cost. JavaScript or TypeScript, npm imports; ${cpuMs} ms of CPU, ${wallMs / 1_000} s, ${memoryMb} MB, no network.
- Deploy: \`POST ${api}/deploy\` with \`{"name": "hello", "files": {"index.js": "export default { fetch: () => new Response('hi') }"}}\`
  answers \`url\`, which is live. The same name again is the next version. Apps are Workers: \`fetch\`, bindings, crons.${payments ? '\n  A deploy by a wallet answers `claim_url` too, for its human alone: who opens it and signs in keeps the project.' : ''}
- Ask before: \`POST ${api}/v1/quote\` with the body of either says what it would cost. Free.
- Errors are problem+json with \`code\`, \`detail\`, \`hint\` and often \`next\`.

## More

- [SKILL.md](${api}/SKILL.md): the same with the \`jack\` command, step by step, and what to do about each error
- [OpenAPI](${api}/openapi.json): every operation, with examples
- [MCP](${api}/.well-known/mcp.json): ${api}/mcp with a token or by signing in${payments ? `, ${api}/mcp/public with a wallet` : ''}

## Prices

| what | USD |
|---|---|
| an execution | ${usd(prices.execution)} |
| a deploy, from a session or a balance | ${usd(prices.deploy)} |
| a deploy by one charge, live for ${prices.charge.ttlHours} hours | ${usd(prices.charge.deploy)} |
| a million requests to a live URL | ${perMillion(prices.runtimeNanoUsd.request)} |
| a million ms of CPU of a live URL | ${perMillion(prices.runtimeNanoUsd.cpuMs)} |

Only what is delivered is charged: a program that started, a version that is live.
${payments ? paying(payments) : ''}
## Tokens

\`Authorization: Bearer jkt_...\` is an account with a balance; its owner makes one with \`jack token create\`.
`
}

function paying({ chain }: Payments): string {
  return `
## Paying with a wallet

The Machine Payments Protocol (https://mpp.dev): HTTP 402, a stablecoin on Tempo (chain ${chain.id}), nothing to sign up for.

1. Send the request. The answer is 402 with two challenges in \`WWW-Authenticate\`: a session, and a single charge.
2. Answer one of them in \`Authorization: Payment ...\` with the same method, path and body. It pays for nothing else.
3. The answer comes with a \`Payment-Receipt\`. Each challenge pays for one request, and is good for five minutes.

- A **session** is a deposit (${usd(prices.suggestedDeposit)} USD is suggested) in a channel on chain that you open once. Each request
  then carries a signed voucher, without a transaction. What is not spent goes back when you close it.
- A **charge** is one transfer on chain for one request.
- Your address is your account. What costs nothing (list, logs, delete) wants a proof: send \`Accept-Payment\` to be asked.
- Runtime of live URLs is paid out of a balance: \`POST /v1/balance\` with \`{"amount_usd": "1"}\`; \`"project"\` funds anybody's.
  At zero a live URL answers 402 with a challenge that funds it again; its data stays.
- A session is closed with \`POST /v1/sessions/{session}/close\`, or by your client.
- The same \`Idempotency-Key\` or the same credential again is answered again, and not paid again.

A client that does all this: \`npx mppx ${'$'}URL -J ${'$'}BODY\`, with MPPX_PRIVATE_KEY. With the jack command: \`jack wallet create\`.
`
}

/** Two digits, or more where a price has them. */
const usd = (microUsd: bigint): string => toUsd(microUsd).replace(/(\.\d\d\d*?)0+$/, '$1')

const perMillion = (nanoUsd: bigint): string => usd(nanoUsd * 1_000n)
