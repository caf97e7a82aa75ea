/** What a program may be. Bytes are decimal: 500 KB is 500,000. */
export interface Limits {
  /** Code in a set. A folder's own code, which a build may have made, can be as much as a bundle. */
  sourceBytes: number
  /** Files in a set. */
  files: number
  /** All modules of the bundle together. */
  bundleBytes: number
  assetBytes: number
  assetFiles: number
  /** npm packages that one program may pull in. */
  packages: number
  /** Their unpacked size together; also the bound for a single package. */
  packageBytes: number
  /** Files in one package. */
  packageFiles: number
  /** Time for one answer of the npm registry. */
  fetchMs: number
  /** Size to which the package cache is cut back, least recently used first. */
  cacheBytes: number
}

export const defaultLimits: Limits = {
  sourceBytes: 500_000,
  files: 2_000,
  bundleBytes: 10_000_000,
  assetBytes: 100_000_000,
  assetFiles: 2_000,
  packages: 300,
  packageBytes: 150_000_000,
  packageFiles: 20_000,
  fetchMs: 30_000,
  cacheBytes: 2_000_000_000,
}

export function withDefaults(limits: Partial<Limits> = {}): Limits {
  return { ...defaultLimits, ...limits }
}
