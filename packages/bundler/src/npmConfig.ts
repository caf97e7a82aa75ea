import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Options } from 'pacote'

/**
 * The user's own npm configuration, as far as fetching needs it: registries (also for scopes),
 * credentials, certificates and proxy. From `npm_config_*` variables over the user's npmrc.
 *
 * A project's `.npmrc` is not read on purpose: a program must not choose where secrets are sent.
 */
export async function npmConfig(env: NodeJS.ProcessEnv = process.env): Promise<Options> {
  const fromEnv = new Map<string, string>()
  for (const [key, value] of Object.entries(env)) {
    const name = /^npm_config_(.+)$/i.exec(key)?.[1]
    if (name === undefined || value === undefined || value === '') continue
    // `npm_config__auth` keeps its leading underscore; `strict_ssl` is written with a hyphen.
    fromEnv.set(name.startsWith('//') ? name : name.toLowerCase().replace(/(?!^)_/g, '-'), value)
  }
  const file = fromEnv.get('userconfig') ?? join(homedir(), '.npmrc')
  const values = parseNpmrc(await readFile(file, 'utf8').catch(() => ''), env)
  for (const [key, value] of fromEnv) values.set(key, value)

  const options: Record<string, unknown> = {}
  for (const [key, value] of values) {
    // Keys that belong to a host or a scope are handed on as they are.
    if (key.startsWith('//') || key.endsWith(':registry')) options[key] = value
  }
  const registry = values.get('registry')
  if (registry !== undefined) options.registry = registry.endsWith('/') ? registry : `${registry}/`
  if (values.get('strict-ssl') === 'false') options.strictSSL = false
  const proxy = values.get('https-proxy') ?? values.get('proxy')
  if (proxy !== undefined && proxy !== 'null') options.proxy = proxy
  const noProxy = values.get('noproxy')
  if (noProxy !== undefined) options.noProxy = noProxy
  const cafile = values.get('cafile')
  if (cafile !== undefined) options.ca = await readFile(cafile, 'utf8').catch(() => undefined)
  return options as Options
}

function parseNpmrc(text: string, env: NodeJS.ProcessEnv): Map<string, string> {
  const values = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const found = /^\s*([^;#=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line)
    const [, key, raw] = found ?? []
    if (key === undefined || raw === undefined) continue
    const value = raw.replace(/^(["'])(.*)\1$/, '$2')
    values.set(
      key,
      value.replace(/\$\{([^}?]+)\??\}/g, (whole, name: string) => env[name] ?? whole),
    )
  }
  return values
}
