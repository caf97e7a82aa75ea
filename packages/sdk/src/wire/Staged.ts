import { z } from 'zod'
import { FileContent, Files } from './Execute.ts'
import { Timestamp } from './Names.ts'
import { nextCursor, PageQuery } from './Page.ts'

const FilePath = z.string().min(1).max(512)

/** Files to put into the stage of a project; the project need not exist yet. */
export const StageFiles = z.strictObject({
  files: Files,
  /** Add to the end of files that are there, instead of replacing them. */
  append: z.boolean().default(false),
})

export const StagedFile = z.object({
  path: FilePath,
  size_bytes: z.number(),
  updated_at: Timestamp,
})

/** What a stage holds altogether, and when it is forgotten unless it changes again. */
export const Stage = z.object({
  count: z.number(),
  size_bytes: z.number(),
  expires_at: Timestamp.nullable(),
})

export const StagedPage = Stage.extend({ files: z.array(StagedFile), ...nextCursor })

export const StagedQuery = PageQuery

export const ReadStaged = z.object({
  path: FilePath.describe('Of the file.'),
  offset: z.coerce.number().int().min(0).default(0).describe('Bytes to skip.'),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(500_000)
    .default(65_536)
    .describe('Bytes to answer at most.'),
})

export const StagedContent = StagedFile.extend({
  /** Text where the bytes are text, else base64. */
  content: FileContent,
  offset: z.number(),
  /** Where to go on; null at the end. */
  next_offset: z.number().nullable(),
})

export const UnstageQuery = z.object({
  path: FilePath.optional().describe('Of one file; without it, the whole stage.'),
})
