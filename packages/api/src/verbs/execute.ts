import type { Bundle } from '@jackcloud/bundler'
import {
  type ExecuteRequest,
  type ExecuteResponse,
  errorCodes,
  limits,
  prices,
  toUsd,
} from '@jackcloud/sdk/wire'
import { JackError } from '../Errors.ts'
import type { ExecutionLimits, Outcome } from '../engine/Engine.ts'
import type { Jack } from '../jack.ts'
import type { Payer } from '../Payer.ts'
import { mapStack } from '../Stack.ts'
import type { Claim } from '../store/idempotency.ts'
import { capture } from '../store/ledger.ts'
import { bundleExecution } from './bundle-execution.ts'
import { collect, release, releaseLost, reserve, type Work } from './hold.ts'

/**
 * Runs a program once. It is charged as soon as it has started, also when it throws or hits a limit; a program that
 * can't be bundled, or for which there is no room, costs nothing.
 *
 * Throws `execution_failed` or the limit's code with the execution's own fields, so that logs are never lost.
 */
export async function execute(
  jack: Jack,
  payer: Payer,
  request: ExecuteRequest,
  signal: AbortSignal,
  claim: Claim,
): Promise<ExecuteResponse> {
  const executionId = await idOf(jack, claim)
  const allowed = { ...jack.config.execution }
  if (request.timeout_ms) allowed.wallMs = Math.min(allowed.wallMs, request.timeout_ms)
  const work: Work = {
    id: executionId,
    amountMicroUsd: prices.execution,
    kind: 'execution',
    ref: executionId,
    repeated: claim.repeated,
  }
  const bundle = await bundleAndReserve(jack, payer, request, work)

  let started = false
  let outcome: Outcome
  try {
    outcome = await jack.engine.execute({
      accountId: payer.accountId,
      main: bundle.main,
      modules: bundle.modules,
      usesNode: bundle.usesNode,
      input: request.input ?? null,
      limits: allowed,
      signal,
      onStart() {
        started = true
      },
    })
  } catch (error) {
    // Whoever leaves while the program runs has had it run.
    if (started && signal.aborted) await capture(jack.db, { id: executionId })
    else await release(jack, payer, executionId)
    throw error
  }
  // The price is set aside already: whether it is captured now or in a moment, nobody sees a difference.
  jack.captures.add(executionId)
  return answer(executionId, outcome, allowed, bundle)
}

/**
 * The compiler and the database work at the same time, and who can't be bundled keeps the price. What costs the payer a
 * transaction waits for the compiler, and the program for the transaction: until the chain has it, its payer could still
 * take the money elsewhere.
 */
async function bundleAndReserve(
  jack: Jack,
  payer: Payer,
  request: ExecuteRequest,
  work: Work,
): Promise<Bundle> {
  const { funding } = payer
  if (funding.kind === 'charge' || (funding.kind === 'session' && funding.opening)) {
    const bundle = await bundleExecution(jack, request)
    await reserve(jack, payer, work)
    try {
      await collect(jack, payer, work)
    } catch (error) {
      await release(jack, payer, work.id)
      throw error
    }
    return bundle
  }
  const [bundled, reserved] = await Promise.allSettled([
    bundleExecution(jack, request),
    reserve(jack, payer, work, jack.relaxedDb),
  ])
  if (bundled.status === 'rejected') {
    if (reserved.status === 'fulfilled') await release(jack, payer, work.id)
    throw bundled.reason
  }
  if (reserved.status === 'rejected') throw reserved.reason
  return bundled.value
}

/** When the answer of the last try was lost after it was paid, this one goes under the same id: already paid. */
async function idOf(jack: Jack, { workId, repeated, renew }: Claim): Promise<string> {
  return !repeated || (await releaseLost(jack, workId)) ? workId : renew(jack.newId('exe'))
}

const limitCodes = {
  cpu: 'cpu_limit_exceeded',
  wall: 'wall_limit_exceeded',
  memory: 'memory_limit_exceeded',
  output: 'output_too_large',
} as const

function answer(
  executionId: string,
  outcome: Outcome,
  allowed: ExecutionLimits,
  bundle: Bundle,
): ExecuteResponse {
  const fields = {
    execution_id: executionId,
    logs: outcome.logs,
    duration_ms: round(outcome.durationMs),
    cpu_ms: round(outcome.cpuMs),
    limits: {
      cpu_ms_limit: allowed.cpuMs,
      wall_ms_limit: allowed.wallMs,
      memory_mb_limit: allowed.memoryMb,
      code_bytes_limit: limits.sourceBytes,
    },
    charged_usd: toUsd(prices.execution),
  }
  if (outcome.status === 'returned') return { ...fields, result: JSON.parse(outcome.result) }
  if (outcome.status === 'threw') {
    throw new JackError('execution_failed', outcome.message, {
      hint: 'The program itself failed; its stack and logs are in this answer.',
      fields: {
        ...fields,
        stack: outcome.stack ? mapStack(outcome.stack, bundle) : null,
      },
    })
  }
  const code = limitCodes[outcome.limit]
  throw new JackError(code, `${errorCodes[code].title}: ${limitText(outcome.limit, allowed)}.`, {
    hint: limitHints[outcome.limit],
    fields,
  })
}

const limitText = (limit: 'cpu' | 'wall' | 'memory' | 'output', allowed: ExecutionLimits): string =>
  ({
    cpu: `${allowed.cpuMs} ms of CPU time are allowed`,
    wall: `${allowed.wallMs} ms are allowed`,
    memory: `${allowed.memoryMb} MB are allowed`,
    output: `${allowed.outputBytes} bytes are allowed`,
  })[limit]

const limitHints = {
  cpu: 'Do less in one execution, or deploy the program: a hosted app has more CPU time for each request.',
  wall: 'Wait for less, or deploy the program: a hosted app may take longer.',
  memory: 'Hold less in memory at once.',
  output: 'Return a summary, or split the work over several executions.',
}

const round = (ms: number): number => Math.round(ms * 1_000) / 1_000
