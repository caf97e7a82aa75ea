import { fitting } from './Budget.ts'

interface Budgeted {
  max_tokens: number
  cursor?: string | undefined
}

/** A page of a list, as far as it fits: `next_cursor` goes on behind the last item that is shown. */
export async function budgeted<Item, Page extends { next_cursor: string | null }>(
  { max_tokens, cursor }: Budgeted,
  read: (query: { limit: number; cursor?: string | undefined }) => Promise<Page>,
  show: (page: Page) => Item[],
): Promise<{ items: Item[]; page: Page }> {
  const page = await read({ limit: 100, cursor })
  const items = show(page)
  const count = fitting(items, max_tokens)
  if (count === items.length) return { items, page }
  // Cursors are the server's own: it says which one stands behind a shorter page.
  const shorter = await read({ limit: count, cursor })
  return { items: show(shorter), page: shorter }
}
