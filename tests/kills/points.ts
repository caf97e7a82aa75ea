import { Session } from 'mppx/tempo'
import { getAbiItem, toFunctionSelector } from 'viem'
import type { Gate, Point } from './gates.ts'

/** What has to be done for the server to come to a point. */
export type Action =
  | 'open'
  | 'execute'
  | 'deploy'
  | 'fund'
  | 'top up'
  | 'charge'
  | 'charge a deploy'
  | 'fund by charge'
  | 'close'
  | 'settle'

export type Step = Point & { action: Action }

const { escrowAbi } = Session.Precompile

const sent = (selector: string): RegExp =>
  new RegExp(`eth_sendRawTransaction.*${selector.slice(2)}`)
const sentTo = (name: 'open' | 'topUp' | 'settle' | 'close'): RegExp =>
  sent(toFunctionSelector(getAbiItem({ abi: escrowAbi, name })))
const transfer = sent(toFunctionSelector('transferWithMemo(address,uint256,bytes32)'))

/** Both sides of something that the server does while it acts. */
const around =
  (gate: Gate) =>
  (what: string, passes: RegExp, ...actions: Action[]): Step[] =>
    actions.flatMap((action) =>
      (['before', 'after'] as const).map((side) => {
        const name = `${action}: ${side} ${what}`
        return { name, gate, passes, side, action }
      }),
    )

const chain = around('chain')
const database = around('database')
const answer = around('answer')

/** All moments between two steps of opening, paying, delivering, charging, closing and settling. */
export const steps: Step[] = [
  ...database('it is noted', /insert into "session"/, 'open'),
  ...chain('the channel is open', sentTo('open'), 'open'),
  ...database('the session is open', /case status when 'opening'/, 'open'),

  ...database('the voucher is accepted', /session_pay_all\(/, 'execute', 'deploy'),
  ...database('the version is live', /insert into "deployment".*commit/s, 'deploy'),
  ...answer('it is heard', /^POST \/(execute|deploy)$/, 'execute', 'deploy', 'charge'),
  ...database('it is captured', /ledger_capture\(/, 'execute', 'charge'),
  ...database('the answer is kept', /update "idempotency" set "status"/, 'execute', 'deploy'),

  ...database('the balance has it', /session_fund\(/, 'fund'),
  ...chain('the deposit is made', sentTo('topUp'), 'top up'),
  ...database('the deposit is noted', /update "session" set "deposit_micro_usd" = \$1/, 'top up'),

  ...database('it is taken', /insert into charge/, 'charge'),
  ...database('it is to be sent', /update "charge" set "state" = \$1 where/, 'charge'),
  ...chain('it is sent', transfer, 'charge', 'charge a deploy', 'fund by charge'),
  ...database('it is credited', /ledger_deposit\(.*commit/s, 'charge', 'fund by charge'),

  ...database('it is frozen', /update "session" set "status" = \$1, "close_reason/, 'close'),
  ...database('everything is given back', /session_return\(.*commit/s, 'close'),
  ...chain('the channel is closed', sentTo('close'), 'close'),
  ...database('the session is closed', /"close_tx" = /, 'close'),

  ...chain('the voucher is taken', sentTo('settle'), 'settle'),
  ...database('that is noted', /greatest\(settled_micro_usd/, 'settle'),
]
