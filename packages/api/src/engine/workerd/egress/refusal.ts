/** Why a request of an app is not answered by whom it asked. The message is for the app's author. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: 400 | 403 | 429 | 502 | 504
  /** Not allowed, too much at once, or tried in vain. */
  readonly kind: 'refused' | 'limited' | 'failed'

  constructor(status: Refusal['status'], message: string) {
    super(message)
    this.status = status
    this.kind = status === 429 ? 'limited' : status < 500 ? 'refused' : 'failed'
  }
}
