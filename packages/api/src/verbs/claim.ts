import { type Claimed, toUsd } from '@jackcloud/sdk/wire'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { type Payer, requireProject } from '../Payer.ts'
import type { Project } from '../Project.ts'
import { messageSignedBy } from '../payments/signature.ts'
import { walletMessage } from '../payments/walletMessage.ts'
import type { Hex } from '../Session.ts'
import * as accounts from '../store/accounts.ts'
import { balanceOf } from '../store/ledger.ts'
import * as nonces from '../store/nonces.ts'
import * as projects from '../store/projects.ts'
import { mostProjects } from './create-project.ts'
import { moveProject } from './move-project.ts'
import { requirePayments } from './require-payments.ts'

const minutes = 10

/**
 * What a wallet signs to give its projects to the account that asks. The message names that account, so that it is of no use
 * to another one, and not to sign in with; it is good once.
 *
 * @param names without them, all projects are meant
 */
export async function askForClaim(
  jack: Jack,
  payer: Payer,
  { address, names }: { address: Hex; names: string[] | undefined },
): Promise<{ nonce: string; message: string; expiresAt: Date }> {
  requireProject(payer, null)
  const { chain } = requirePayments(jack)
  const issuedAt = jack.now()
  const expiresAt = new Date(issuedAt.getTime() + minutes * 60_000)
  const what = names === undefined ? 'all projects of this wallet' : names.join(', ')
  const asked = { purpose: 'claim', boundTo: payer.accountId } as const
  const { nonce, detail } = await nonces.issue(jack.db, asked, expiresAt, (nonce) => ({
    address,
    ...(names && { names: names.join(' ') }),
    message: walletMessage({
      url: jack.urls.api,
      path: '/v1/claim',
      address,
      chainId: chain.id,
      statement: `Attach ${what} to the account "${payer.slug}" (${payer.accountId}), which pays for their runtime from now on. It costs nothing.`,
      nonce,
      issuedAt,
      expiresAt,
    }),
  }))
  return { nonce, message: detail.message as string, expiresAt }
}

/**
 * Attaches a wallet's projects to the account that asked, each of them whole or not at all. Money stays with the wallet.
 * Throws `unauthorized` for anything but the signature of the message that this account was given.
 */
export async function claim(
  jack: Jack,
  payer: Payer,
  it: { nonce: string; signature: string },
): Promise<Claimed> {
  requireProject(payer, null)
  const asked = { purpose: 'claim', boundTo: payer.accountId } as const
  const detail = await nonces.take(jack.db, asked, it.nonce, jack.now())
  if (!detail) {
    throw new JackError(
      'unauthorized',
      'This message was used before, is too old, or another account asked for it.',
      {
        hint: `A message is good once, for ${minutes} minutes. Ask for another one.`,
        next: [{ command: 'jack claim', when: 'to do it all at once' }],
      },
    )
  }
  const address = detail.address as Hex
  if (!messageSignedBy(detail.message as string, it.signature, address))
    throw new JackError('unauthorized', 'This is not the signature of that wallet.', {
      hint: 'It has to sign the message as it stands.',
    })
  const from = await accounts.findByAddress(jack.db, address)
  if (!from) throw new JackError('not_found', `The wallet ${address} has deployed nothing here.`)
  if (from.accountId === payer.accountId)
    throw new JackError('conflict', 'This wallet is the account that asks.', {
      hint: 'Sign in as somebody, or use a token of the account that shall get the projects.',
      next: [{ command: 'jack login', when: 'to sign in' }],
    })

  const claimed: Claimed['claimed'] = []
  const refused: Claimed['refused'] = []
  for (const [ref, project] of await meant(jack, from.accountId, detail.names?.split(' '))) {
    try {
      if (!project) throw new JackError('not_found', 'The wallet has no such project.')
      const moved = await moveProject(jack, project, payer, {
        endTokens: false,
        mayGo: async (_, now) => now.accountId === from.accountId,
      })
      claimed.push({
        project_id: moved.projectId,
        name: moved.name,
        url: jack.urls.project(moved.label),
        was: from.slug,
      })
    } catch (error) {
      if (!(error instanceof JackError) || error.status >= 500) throw error
      refused.push({ name: ref, reason: error.message })
    }
  }
  const { availableMicroUsd } = await balanceOf(jack.db, payer.accountId)
  return {
    claimed,
    refused,
    balance_usd: toUsd(availableMicroUsd),
    hint:
      claimed.length > 0 && availableMicroUsd === 0n
        ? 'This account has no balance: what its projects use beyond the runtime that is included suspends them. Anybody can add to it, with `jack balance add --project <name>` and a wallet.'
        : null,
  }
}

/** Each project by how it was named; without names, all there are. */
async function meant(
  jack: Jack,
  accountId: string,
  names: string[] | undefined,
): Promise<[string, Project | undefined][]> {
  if (!names) {
    const all = await projects.list(jack.db, accountId, { limit: mostProjects })
    return all.map((it) => [it.name, it])
  }
  const found = names.map(
    async (name): Promise<[string, Project | undefined]> => [
      name,
      await projects.find(jack.db, accountId, name),
    ],
  )
  return Promise.all(found)
}
