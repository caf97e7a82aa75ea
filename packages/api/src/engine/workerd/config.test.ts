import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { app, get } from '../engine.contract.ts'
import { appConfig } from './config.ts'
import { startEngine } from './testing.ts'

const secret = 'a value that nobody may find'
const hosted = app('export default { fetch: (r, env) => new Response(env.LD_PRELOAD) }', {
  deploymentId: 'dep_config',
  env: { LD_PRELOAD: secret, 'odd "name"\n': 'x' },
  assetsBinding: 'ASSETS',
})

it('is text that names bindings and holds no value', () => {
  expect(appConfig(hosted).text).toMatchSnapshot()
})

it('leaves no secret on disk, and is compiled again when it is missing or broken', async () => {
  const { engine, dataDir } = await startEngine({ idleMs: 0 })
  const asleep = async () => {
    while (engine.running().length > 0) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  try {
    const answer = { status: 200, body: secret }
    expect(await get(engine, hosted)).toEqual(answer)
    await asleep()
    const dir = join(dataDir, 'workerd', 'configs')
    const compiled = () => readdirSync(dir).filter((name) => name.endsWith('.bin'))
    for (const name of readdirSync(dir))
      expect(readFileSync(join(dir, name), 'latin1')).not.toContain(secret)
    for (const name of compiled()) writeFileSync(join(dir, name), 'broken')
    expect(await get(engine, hosted)).toEqual(answer)
    await asleep()
    for (const name of compiled()) rmSync(join(dir, name))
    expect(await get(engine, hosted)).toEqual(answer)
  } finally {
    await engine.close(0)
  }
})
