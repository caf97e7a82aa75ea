/** What the process says to the shell. Part of the contract: a code never changes its meaning. */
export const exit = {
  ok: 0,
  other: 1,
  usage: 2,
  notAuthorized: 3,
  notFound: 4,
  conflict: 5,
  network: 6,
  payment: 7,
  program: 8,
  timeout: 9,
  interrupted: 130,
} as const

const byCode: Record<string, number> = {
  usage: exit.usage,
  invalid_request: exit.usage,
  unauthorized: exit.notAuthorized,
  forbidden: exit.notAuthorized,
  not_found: exit.notFound,
  gone: exit.notFound,
  name_taken: exit.conflict,
  conflict: exit.conflict,
  idempotency_conflict: exit.conflict,
  network: exit.network,
  unavailable: exit.network,
  payment_required: exit.payment,
  insufficient_balance: exit.payment,
  budget_exceeded: exit.payment,
  project_suspended: exit.payment,
  missing_files: exit.program,
  code_too_large: exit.program,
  body_too_large: exit.program,
  bundle_failed: exit.program,
  execution_failed: exit.program,
  cpu_limit_exceeded: exit.program,
  memory_limit_exceeded: exit.program,
  output_too_large: exit.program,
  deploy_failed: exit.program,
  app_failed: exit.program,
  loop_detected: exit.program,
  wall_limit_exceeded: exit.timeout,
  timeout: exit.timeout,
  interrupted: exit.interrupted,
}

/** The exit code for an error's code. */
export const exitCodeOf = (code: string): number => byCode[code] ?? exit.other
