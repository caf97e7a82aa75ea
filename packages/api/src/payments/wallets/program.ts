// A program of its own with a wallet, for tests: does what its input says, and prints what came of it.
import { createJack, fileStore } from '@jackcloud/sdk/node'

const { url, rpcUrl, privateKey, folder, calls, dieAt } = JSON.parse(process.argv[2] as string)
const die = () => process.kill(process.pid, 'SIGKILL')
const jack = createJack({
  url,
  rpcUrl,
  account: { privateKey },
  store: fileStore({ folder }),
  spending: { totalUsd: '0.75' },
  onPayment: ({ how }) => {
    if (dieAt === `told ${how}`) die()
  },
  fetch: (input, init) => {
    const paid = String((init.headers as Record<string, string>).authorization ?? '')
    if (dieAt === 'signed' && paid.startsWith('Payment') && init.method === 'POST') die()
    const answer = fetch(input, init)
    if (dieAt === 'sent' && paid.startsWith('Payment') && init.method === 'POST') {
      // Once it is at the server.
      setTimeout(die, 150)
    }
    return answer
  },
})
const code = 'export const run = (n) => n'
const outcomes = await Promise.all(
  Array.from({ length: calls }, (_, n) =>
    jack.execute({ code, input: n }).then(
      (it) => it.result,
      (error) => error.code ?? String(error),
    ),
  ),
)
console.log(JSON.stringify({ outcomes, ...(await jack.wallet?.spent()) }))
