import { Session } from 'mppx/tempo'
import {
  type Account,
  decodeErrorResult,
  type Hex,
  parseAbi,
  type TransactionReceipt,
  toHex,
  zeroAddress,
} from 'viem'
import { getTransactionReceipt } from 'viem/actions'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startAnvil } from './anvil.ts'
import { installReserve, RESERVE } from './reserve.ts'
import { reserveCode } from './reserveCode.ts'
import type { Localnet } from './startLocalnet.ts'
import {
  balanceOf,
  clientOf,
  endGrace,
  newWallet,
  openCall,
  openChannel,
  sendCalls,
  signVoucher,
  testChain,
} from './testing.ts'

const { Chain, Channel } = Session.Precompile
const chain = testChain()

let net: Localnet
let payer: Account
let payee: Account
let stranger: Account
beforeAll(async () => {
  net = await chain()
  for (const [i, it] of (await Promise.all([1, 2, 3].map(() => newWallet(net)))).entries()) {
    if (i === 0) payer = it
    else if (i === 1) payee = it
    else stranger = it
  }
})

const as = (account: Account) => clientOf(net, account)
const stateOf = (id: Hex) => Chain.getChannelState(as(stranger), id)
const NONE = { settled: 0n, deposit: 0n, closeRequestedAt: 0 }

const errors = parseAbi([
  'error ChannelAlreadyExists()',
  'error ChannelNotFound()',
  'error NotPayer()',
  'error NotPayeeOrOperator()',
  'error InvalidPayee()',
  'error InvalidToken()',
  'error ZeroDeposit()',
  'error InvalidSignature()',
  'error AmountExceedsDeposit()',
  'error AmountNotIncreasing()',
  'error CaptureAmountInvalid()',
  'error CloseNotReady()',
  'error DepositOverflow()',
])

/** Why the reserve refused a transaction, which was mined all the same. */
async function refusal(sent: Promise<Hex | TransactionReceipt>): Promise<string> {
  const it = await sent
  const receipt =
    typeof it === 'string' ? await getTransactionReceipt(as(stranger), { hash: it }) : it
  if (receipt.status === 'success') return 'nothing'
  const { calls } = await net.rpc<{ calls: { output: Hex }[] }>(
    'debug_traceTransaction',
    receipt.transactionHash,
    { tracer: 'callTracer' },
  )
  const data = calls.at(-1)?.output as Hex
  return decodeErrorResult({ abi: errors, data }).errorName
}

describe('a channel', () => {
  test('pays what was settled and captured to the payee, and gives the rest back', async () => {
    const cold = await newWallet(net, 0n)
    const { id, descriptor } = await openChannel(net, payer, {
      payee: cold.address,
      operator: payee.address,
    })
    expect(id).toBe(Channel.computeId({ ...descriptor, chainId: net.chainId }))
    expect(await stateOf(id)).toEqual({ settled: 0n, deposit: 5_000_000n, closeRequestedAt: 0 })

    await Chain.topUpOnChain(as(payer), descriptor, 2_000_000n, RESERVE, { feeToken: net.token })
    expect((await stateOf(id)).deposit).toBe(7_000_000n)

    const first = await signVoucher(net, payer, id, 1_000_000n)
    await Chain.settleOnChain(as(payee), descriptor, 1_000_000n, first)
    expect(await balanceOf(net, cold.address)).toBe(1_000_000n)
    expect((await stateOf(id)).settled).toBe(1_000_000n)

    const before = await balanceOf(net, payer.address)
    const second = await signVoucher(net, payer, id, 3_000_000n)
    const hash = await Chain.closeOnChain(as(payee), descriptor, 3_000_000n, 2_500_000n, second)
    const receipt = await Chain.waitForSuccessfulReceipt(as(payee), hash)
    expect(
      Chain.readChannelClosedReceiptFields(Chain.getChannelEvent(receipt, 'ChannelClosed', id)),
    ).toEqual({ settledToPayee: 2_500_000n, refundedToPayer: 4_500_000n })
    expect(await balanceOf(net, cold.address)).toBe(2_500_000n)
    expect(await balanceOf(net, payer.address)).toBe(before + 4_500_000n)
    expect(await stateOf(id)).toEqual(NONE)
  })

  test('is closed without any voucher when nothing is captured', async () => {
    const { id, descriptor } = await openChannel(net, payer, { payee: payee.address })
    const before = await balanceOf(net, payer.address)
    await Chain.closeOnChain(as(payee), descriptor, 0n, 0n, '0x')
    expect(await balanceOf(net, payer.address)).toBe(before + 5_000_000n)
    expect(await stateOf(id)).toEqual(NONE)
  })

  test('takes vouchers of the signer that the payer named, and of no other', async () => {
    const { id, descriptor } = await openChannel(net, payer, {
      payee: payee.address,
      signer: stranger.address,
    })
    const own = await signVoucher(net, payer, id, 1n)
    expect(await refusal(Chain.settleOnChain(as(payee), descriptor, 1n, own))).toBe(
      'InvalidSignature',
    )
    const named = await signVoucher(net, stranger, id, 1n)
    await Chain.settleOnChain(as(payee), descriptor, 1n, named)
    expect((await stateOf(id)).settled).toBe(1n)
  })

  test('is left by its payer after the time of grace, with all that was not settled', async () => {
    const { id, descriptor } = await openChannel(net, payer, { payee: payee.address })
    const voucher = await signVoucher(net, payer, id, 1_000_000n)
    await Chain.settleOnChain(as(payee), descriptor, 1_000_000n, voucher)
    expect(await refusal(Chain.withdrawOnChain(as(payer), descriptor))).toBe('CloseNotReady')

    await Chain.requestCloseOnChain(as(payer), descriptor)
    const { closeRequestedAt } = await stateOf(id)
    expect(closeRequestedAt).toBeGreaterThan(0)
    expect(await refusal(Chain.withdrawOnChain(as(payer), descriptor))).toBe('CloseNotReady')
    await Chain.requestCloseOnChain(as(payer), descriptor)
    expect((await stateOf(id)).closeRequestedAt).toBe(closeRequestedAt)

    await endGrace(net, id)
    const reserved = await balanceOf(net, RESERVE)
    await Chain.withdrawOnChain(as(payer), descriptor, RESERVE, { feeToken: net.token })
    expect(await balanceOf(net, RESERVE)).toBe(reserved - 4_000_000n)
    expect(await stateOf(id)).toEqual(NONE)
  })

  test('that is topped up is not being closed any more', async () => {
    const { id, descriptor } = await openChannel(net, payer, { payee: payee.address })
    await Chain.requestCloseOnChain(as(payer), descriptor)
    await Chain.topUpOnChain(as(payer), descriptor, 0n)
    expect(await stateOf(id)).toEqual({ settled: 0n, deposit: 5_000_000n, closeRequestedAt: 0 })
  })

  test('is read alone and with others', async () => {
    const { id, descriptor } = await openChannel(net, payer, { payee: payee.address })
    const state = { settled: 0n, deposit: 5_000_000n, closeRequestedAt: 0 }
    expect(await Chain.getChannel(as(payer), descriptor)).toEqual({ descriptor, state })
    const unknown = toHex(1, { size: 32 })
    expect(await Chain.getChannelStatesBatch(as(payer), [id, unknown])).toEqual([state, NONE])
  })
})

describe('who is up to no good', () => {
  test('opens nothing that cannot pay', async () => {
    const open = (it: Parameters<typeof openCall>[1]) =>
      refusal(sendCalls(net, payer, [openCall(net, it)]))
    expect(await open({ payee: zeroAddress })).toBe('InvalidPayee')
    expect(await open({ payee: net.token })).toBe('InvalidPayee')
    expect(await open({ payee: payee.address, token: zeroAddress })).toBe('InvalidToken')
    expect(await open({ payee: payee.address, token: RESERVE })).toBe('InvalidToken')
    expect(await open({ payee: payee.address, deposit: 0n })).toBe('ZeroDeposit')
  })

  test('deposits no money that is not there', async () => {
    const poor = await newWallet(net, 1_000_000n)
    const reserved = await balanceOf(net, RESERVE)
    const receipt = await sendCalls(net, poor, [openCall(net, { payee: payee.address })], 900_000n)
    expect(receipt.status).toBe('reverted')
    expect(await balanceOf(net, RESERVE)).toBe(reserved)
  })

  test('does not open the same channel twice in one transaction, nor again after closing it', async () => {
    const call = openCall(net, { payee: payer.address, salt: toHex(7, { size: 32 }) })
    expect(await refusal(sendCalls(net, payer, [call, call]))).toBe('ChannelAlreadyExists')
    const receipt = await sendCalls(net, payer, [call, call], 2_000_000n)
    expect(receipt.status).toBe('reverted')

    const first = await openChannel(net, payer, {
      payee: payer.address,
      salt: toHex(7, { size: 32 }),
    })
    await Chain.closeOnChain(as(payer), first.descriptor, 0n, 0n, '0x')
    const second = await openChannel(net, payer, {
      payee: payer.address,
      salt: toHex(7, { size: 32 }),
    })
    expect(second.id).not.toBe(first.id)
    const voucher = await signVoucher(net, payer, first.id, 5n)
    expect(await refusal(Chain.settleOnChain(as(payer), second.descriptor, 5n, voucher))).toBe(
      'InvalidSignature',
    )
  })

  test('opens two channels in one transaction, under one hash', async () => {
    const calls = [openCall(net, { payee: payee.address }), openCall(net, { payee: payee.address })]
    const { logs, status } = await sendCalls(net, payer, calls)
    expect(status).toBe('success')
    expect(logs.filter((log) => log.address.toLowerCase() === RESERVE)).toHaveLength(2)
  })

  test('neither settles nor closes what is not theirs', async () => {
    const { id, descriptor } = await openChannel(net, payer, { payee: payee.address })
    const voucher = await signVoucher(net, payer, id, 1_000_000n)
    for (const account of [stranger, payer]) {
      const settle = Chain.settleOnChain(as(account), descriptor, 1_000_000n, voucher)
      expect(await refusal(settle)).toBe('NotPayeeOrOperator')
      const close = Chain.closeOnChain(as(account), descriptor, 1_000_000n, 1_000_000n, voucher)
      expect(await refusal(close)).toBe('NotPayeeOrOperator')
    }
    for (const account of [stranger, payee]) {
      expect(await refusal(Chain.requestCloseOnChain(as(account), descriptor))).toBe('NotPayer')
      expect(await refusal(Chain.withdrawOnChain(as(account), descriptor))).toBe('NotPayer')
      expect(await refusal(Chain.topUpOnChain(as(account), descriptor, 1n))).toBe('NotPayer')
    }
    const mine = { ...descriptor, payee: stranger.address }
    expect(await refusal(Chain.settleOnChain(as(stranger), mine, 1_000_000n, voucher))).toBe(
      'ChannelNotFound',
    )
    expect(await stateOf(id)).toEqual({ settled: 0n, deposit: 5_000_000n, closeRequestedAt: 0 })
  })

  test('takes no more than was deposited, signed for, or left', async () => {
    const { id, descriptor } = await openChannel(net, payer, { payee: payee.address })
    const settle = (amount: bigint, signature: Hex) =>
      refusal(Chain.settleOnChain(as(payee), descriptor, amount, signature))
    const close = (amount: bigint, capture: bigint, signature: Hex) =>
      refusal(Chain.closeOnChain(as(payee), descriptor, amount, capture, signature))

    const tooMuch = await signVoucher(net, payer, id, 5_000_001n)
    expect(await settle(5_000_001n, tooMuch)).toBe('AmountExceedsDeposit')
    expect(await close(5_000_001n, 5_000_001n, tooMuch)).toBe('AmountExceedsDeposit')

    const voucher = await signVoucher(net, payer, id, 1_000_000n)
    expect(await settle(1_000_001n, voucher)).toBe('InvalidSignature')
    expect(await close(1_000_000n, 1_000_001n, voucher)).toBe('CaptureAmountInvalid')
    expect(await close(1_000_001n, 1_000_001n, voucher)).toBe('InvalidSignature')
    const forged = await signVoucher(net, stranger, id, 1_000_000n)
    expect(await settle(1_000_000n, forged)).toBe('InvalidSignature')
    expect(await close(1_000_000n, 1_000_000n, forged)).toBe('InvalidSignature')
    for (const nonsense of ['0x', '0x00', `0x${'00'.repeat(65)}`, `0x${'ff'.repeat(65)}`] as const)
      expect(await settle(1_000_000n, nonsense)).toBe('InvalidSignature')

    await Chain.settleOnChain(as(payee), descriptor, 1_000_000n, voucher)
    expect(await settle(1_000_000n, voucher)).toBe('AmountNotIncreasing')
    expect(await close(1_000_000n, 999_999n, voucher)).toBe('CaptureAmountInvalid')
    expect(await stateOf(id)).toEqual({
      settled: 1_000_000n,
      deposit: 5_000_000n,
      closeRequestedAt: 0,
    })
  })

  test('takes with no voucher of another channel', async () => {
    const one = await openChannel(net, payer, { payee: payee.address })
    const other = await openChannel(net, payer, { payee: payee.address })
    const voucher = await signVoucher(net, payer, one.id, 1_000_000n)
    expect(
      await refusal(Chain.settleOnChain(as(payee), other.descriptor, 1_000_000n, voucher)),
    ).toBe('InvalidSignature')
  })

  test('closes once', async () => {
    const { id, descriptor } = await openChannel(net, payer, { payee: payee.address })
    const voucher = await signVoucher(net, payer, id, 1_000_000n)
    await Chain.closeOnChain(as(payee), descriptor, 1_000_000n, 1_000_000n, voucher)
    const again = Chain.closeOnChain(as(payee), descriptor, 1_000_000n, 1_000_000n, voucher)
    expect(await refusal(again)).toBe('ChannelNotFound')
    expect(await refusal(Chain.withdrawOnChain(as(payer), descriptor))).toBe('ChannelNotFound')
    expect(await refusal(Chain.topUpOnChain(as(payer), descriptor, 1n))).toBe('ChannelNotFound')
  })

  test('tops up by no amount that overflows', async () => {
    const { descriptor } = await openChannel(net, payer, { payee: payee.address })
    expect(await refusal(Chain.topUpOnChain(as(payer), descriptor, 2n ** 96n - 1n))).toBe(
      'DepositOverflow',
    )
  })
})

test('a chain that brings its own reserve keeps it', async () => {
  const anvil = await startAnvil({ chainId: 1337 })
  onTestFinished(anvil.stop)
  await anvil.rpc('anvil_setCode', RESERVE, '0xef')
  expect(await installReserve(anvil)).toBe('native')
  expect(await anvil.rpc('eth_getCode', RESERVE, 'latest')).toBe('0xef')
})

test('a stand-in of an earlier run is replaced by the one of today', async () => {
  const anvil = await startAnvil({ chainId: 1337 })
  onTestFinished(anvil.stop)
  await anvil.rpc('anvil_setCode', RESERVE, `0x${'60'.repeat(200)}`)
  expect(await installReserve(anvil)).toBe('stand-in')
  expect(await anvil.rpc('eth_getCode', RESERVE, 'latest')).toBe(reserveCode)
})
