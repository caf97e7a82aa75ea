import { z } from 'zod'

/**
 * A project's name and an account's slug share one DNS label, `{slug}-{name}`, of at most 63 characters (RFC 1035).
 * Deployment hosts begin with `dep-`, so no slug does.
 */
export const projectNameLength = 40
export const slugLength = 22

export const ProjectName = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9]|-(?=[a-z0-9])){0,39}$/,
    'lower-case letters, digits and single hyphens, at most 40 characters, such as "my-api"',
  )

/** A project by name or by id. */
export const ProjectRef = z.union([ProjectName, z.string().regex(/^prj_[a-z0-9]{20,40}$/)])

/** An environment variable's name. */
export const EnvName = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
    'letters, digits and underscores, not beginning with a digit',
  )

export const Timestamp = z.iso.datetime()

/** A time to live in hours: up to a year. */
export const TtlHours = z.number().positive().max(8_760, 'at most 8760 hours, which is a year')
