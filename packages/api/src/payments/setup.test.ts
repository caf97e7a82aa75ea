import { Challenge } from 'mppx'
import { Mppx, tempo } from 'mppx/server'
import { Session } from 'mppx/tempo'
import { tempo as mainnet, tempoModerato } from 'viem/chains'
import { expect, test } from 'vitest'
import { readConfig } from '../Config.ts'
import { escrow, networks, setupOf } from './setup.ts'

/** What the types of the library do not tell when there is only one method. */
type Charge = (it: {
  amount: string
}) => (request: Request) => Promise<{ status: number; challenge: Response }>

test('the networks are those of the libraries: ids, places, tokens and where channels are kept', async () => {
  expect(escrow).toBe(Session.Precompile.Constants.tip20ChannelEscrow.toLowerCase())
  for (const [network, chain] of [
    [networks.mainnet, mainnet],
    [networks.moderato, tempoModerato],
  ] as const) {
    expect(network).toMatchObject({ chainId: chain.id, rpcUrl: chain.rpcUrls.default.http[0] })
    // What a server of mppx asks for when it is not told a token.
    const recipient = '0x00000000000000000000000000000000000000aa'
    const methods = [tempo.charge({ recipient, testnet: network === networks.moderato })]
    const server = Mppx.create({ methods, realm: 'x', secretKey: 's'.repeat(32) })
    const { charge } = server as unknown as { charge: Charge }
    const answer = await charge({ amount: '1' })(new Request('http://x/'))
    if (answer.status !== 402) throw new Error('It has to be paid.')
    const { request } = Challenge.fromResponse(answer.challenge)
    expect(request).toMatchObject({ methodDetails: { chainId: network.chainId } })
    expect((request as { currency: string }).currency.toLowerCase()).toBe(network.token)
  }
})

test('what is set goes before what is usual, and what is missing is told', () => {
  const token = `0x20c0${'0'.repeat(35)}7`
  const { payments } = readConfig({
    JACK_DATA: '/data',
    JACK_RPC_URL: 'https://rpc.example',
    JACK_PAY_TOKEN: token,
  })
  expect(setupOf('mainnet', payments)).toEqual({
    chainId: 4217,
    rpcUrl: 'https://rpc.example',
    token,
    escrow,
    payee: null,
    operator: null,
    feePayer: null,
    missing: ['JACK_PAYEE', 'JACK_OPERATOR_KEY', 'JACK_MPP_SECRET'],
  })
})
