/** Why a client gets no token (RFC 6749, section 5.2; RFC 8628, section 3.5; RFC 8707, section 2; RFC 7591, section 3.2.2). */
export type OAuthRefusal =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'invalid_target'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'
  | 'access_denied'
  | 'authorization_pending'
  | 'slow_down'
  | 'expired_token'
  | 'invalid_redirect_uri'
  | 'invalid_client_metadata'

/** An error in the words of OAuth, for programs. The sentence is for their authors. */
export class OAuthError extends Error {
  override readonly name = 'OAuthError'
  readonly code: OAuthRefusal

  constructor(code: OAuthRefusal, sentence: string) {
    super(sentence)
    this.code = code
  }
}
