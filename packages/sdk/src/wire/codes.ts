/**
 * Every way a request can fail: the code, its HTTP status and a title.
 * The set is closed for clients: a code never changes its meaning or its status.
 */
export const errorCodes = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  missing_files: { status: 400, title: 'No files were sent' },
  unauthorized: { status: 401, title: 'Not signed in' },
  payment_required: { status: 402, title: 'Payment is required' },
  insufficient_balance: { status: 402, title: 'The balance is too low' },
  budget_exceeded: { status: 402, title: 'The budget is used up' },
  project_suspended: { status: 402, title: 'The project is suspended' },
  forbidden: { status: 403, title: 'Not allowed' },
  not_found: { status: 404, title: 'Not found' },
  name_taken: { status: 409, title: 'The name is taken' },
  conflict: { status: 409, title: 'Something else is in the way' },
  gone: { status: 410, title: 'Gone' },
  code_too_large: { status: 413, title: 'The code is too large' },
  body_too_large: { status: 413, title: 'The request body is too large' },
  bundle_failed: { status: 422, title: 'The code could not be bundled' },
  execution_failed: { status: 422, title: 'The program failed' },
  cpu_limit_exceeded: { status: 422, title: 'The program used too much CPU' },
  memory_limit_exceeded: { status: 422, title: 'The program used too much memory' },
  wall_limit_exceeded: { status: 422, title: 'The program took too long' },
  output_too_large: { status: 422, title: 'The output is too large' },
  idempotency_conflict: { status: 422, title: 'The idempotency key was used for another request' },
  rate_limited: { status: 429, title: 'Too many requests' },
  internal: { status: 500, title: 'Something went wrong on our side' },
  deploy_failed: { status: 502, title: 'The deployment did not start' },
  app_failed: { status: 502, title: 'The app failed' },
  loop_detected: { status: 508, title: 'The request goes in circles' },
  unavailable: { status: 503, title: 'Not available right now' },
} as const

export type ErrorCode = keyof typeof errorCodes

/** Whether a string is one of Jack's error codes. */
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorCodes, code)
