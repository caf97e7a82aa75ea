import { z } from 'zod'

/**
 * What a backup of a whole cloud begins with, as `backup.json`. After it come `database/<table>.<n>` (COPY text, in
 * pieces), `blobs/<sha256>`, `state/...` (what projects keep), `secrets/` (see keptSecrets), and at the
 * end `checksums.json`: the sha256 of every file before it. Without that the backup is not whole.
 */
export const Backup = z.object({
  format: z.literal(1),
  id: z.string(),
  made_at: z.iso.datetime(),
  /** What made the schema. */
  migrations: z.array(z.string()),
  tables: z.array(z.object({ name: z.string(), columns: z.array(z.string()) })),
  /** Whether the key that seals environment values is inside, or was given by JACK_ENCRYPTION_KEY. */
  has_key: z.boolean(),
  /** Tells the right key from any other, and tells nobody the key. */
  key_check: z.string(),
  /** Where the cloud answered; where the restored one does is a matter of its configuration. */
  url: z.string(),
})
export type Backup = z.infer<typeof Backup>
