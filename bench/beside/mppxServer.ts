import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Request as Listener, Mppx, Store, tempo } from 'mppx/server'
import { chainId, clientOf, newWallet } from '../harness/chain.ts'

// Run as a process (argv: URL of a chain): a stock server of mppx, as people write it, that does nothing when it is paid.
const rpcUrl = process.argv[2] as string
const account = await newWallet(rpcUrl)
const client = clientOf(rpcUrl, account)
const common = {
  account,
  currency: '0x20c0000000000000000000000000000000000000',
  recipient: account.address,
  chainId,
  getClient: () => client,
  store: Store.memory(),
} as const
const mppx = Mppx.create({
  secretKey: crypto.randomUUID() + crypto.randomUUID(),
  realm: '127.0.0.1',
  methods: [tempo.session({ ...common, unitType: 'request', suggestedDeposit: '5' })],
})
const pay = mppx.session({ amount: '0.01', scope: 'execute' })

const server = createServer(
  Listener.toNodeListener(async (request) => {
    const paid = await pay(request)
    return paid.status === 402 ? paid.challenge : paid.withReceipt(Response.json({}))
  }),
)
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
