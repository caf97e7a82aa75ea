import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Payments } from '../payments/Payments.ts'

/** How wallets pay. Throws `unavailable` on a cloud that takes no payments. */
export function requirePayments(jack: Jack): Payments {
  if (jack.payments) return jack.payments
  throw new JackError('unavailable', 'This cloud takes no payments.', {
    hint: 'Use a token of an account that has a balance.',
  })
}
