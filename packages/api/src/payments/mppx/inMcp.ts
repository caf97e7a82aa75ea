import { Challenge, Credential, Mcp, Receipt } from 'mppx'

/*
 * Payments inside MCP (draft-payment-transport-mcp): what HTTP has in headers is in `_meta` and in errors.
 */

type Meta = Record<string, unknown> | undefined

/**
 * The credential of a call as an `Authorization` header; undefined when it has none. What is no credential makes a header that
 * is refused, and counted, like one that came over HTTP.
 */
export function authorizationIn(meta: Meta): string | undefined {
  const credential = meta?.[Mcp.credentialMetaKey]
  if (credential === undefined) return undefined
  try {
    return Credential.serialize(credential as Credential.Credential)
  } catch {
    return 'Payment malformed'
  }
}

/** Whether the credential of a call buys nothing: it deposits more into a session, or closes one. */
export function changesSession(meta: Meta): boolean {
  const credential = meta?.[Mcp.credentialMetaKey] as { payload?: { action?: unknown } } | undefined
  const action = credential?.payload?.action
  return action === 'topUp' || action === 'close'
}

/** What a call is asked to be paid with, or to prove. */
export interface PaymentRequired {
  /** Of the JSON-RPC error. */
  code: number
  data: NonNullable<Mcp.ErrorObject['data']>
}

/** A refusal with challenges as MCP has it; undefined for any other answer. */
export async function paymentRequiredIn(answer: Response): Promise<PaymentRequired | undefined> {
  if (answer.status !== 402 || !answer.headers.get('www-authenticate')) return undefined
  const problem = await answer.clone().json()
  const { type, title, status, detail } = problem
  return {
    code: codeOf(String(type)),
    data: {
      httpStatus: 402,
      challenges: Challenge.fromHeadersList(answer.headers),
      problem: { type, title, status, detail },
    },
  }
}

/** The first asks for a payment; all others refuse one. */
function codeOf(problemType: string): number {
  if (problemType.endsWith('/payment-required')) return Mcp.paymentRequiredCode
  return problemType.endsWith('/malformed-credential')
    ? Mcp.invalidParamsCode
    : Mcp.paymentVerificationFailedCode
}

/** What a result says when it asks for a payment instead of an error. */
export const paymentRequiredMeta = ({ data }: PaymentRequired): Record<string, unknown> => ({
  [Mcp.paymentRequiredMetaKey]: data,
})

/** What a result says about its payment; nothing for an answer that was not paid. */
export function receiptMeta(answer: Response): Record<string, unknown> {
  const header = answer.headers.get('payment-receipt')
  return header === null ? {} : { [Mcp.receiptMetaKey]: Receipt.deserialize(header) }
}
