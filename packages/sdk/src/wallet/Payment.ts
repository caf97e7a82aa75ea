/** A payment that is about to be made. Amounts are decimal strings in USD. */
export interface Payment {
  /**
   * `open`: opens a session with a deposit on chain and pays out of it. `voucher`: pays out of an open session, without
   * a transaction. `topUp`: adds to the deposit of a session. `charge`: one transfer on chain.
   */
  how: 'open' | 'voucher' | 'topUp' | 'charge'
  /** What it is for, such as "POST /execute". */
  resource: string
  /** What it costs; "0.000000" for a top-up, which spends nothing. */
  amountUsd: string
  /** What moves into the session; what is not spent comes back when it closes. Of `open` and `topUp`. */
  depositUsd?: string | undefined
  /** The session, once there is one: of `voucher` and `topUp`. */
  sessionId?: string | undefined
  /** The address that is paid. */
  recipient: string
  chainId: number
}

/** What a call has cost in the end, as the server says. */
export interface PaymentReceipt {
  how: 'session' | 'charge'
  resource: string
  /** "0.000000" when the server took nothing. */
  chargedUsd: string
  sessionId?: string | undefined
  /** The transaction that opened the session or made the charge. */
  transaction?: string | undefined
  /** What the deposit still holds that nothing was signed for. Of sessions. */
  leftUsd?: string | undefined
}
