import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

// After a build: writes down whose code is in it, and on which terms, as those terms ask.
const metafile = resolve('dist/metafile-esm.json')
const { inputs } = JSON.parse(readFileSync(metafile, 'utf8')) as { inputs: Record<string, object> }
rmSync(metafile)

const packages = new Map<string, string>()
for (const path of Object.keys(inputs)) {
  if (!path.includes('node_modules/')) continue
  const folder = packageOf(resolve(path))
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find((it) => /^licen[cs]e/i.test(it))
  if (!file) throw new Error(`${name} has no licence.`)
  packages.set(`${name} ${version}, ${license}`, readFileSync(join(folder, file), 'utf8').trim())
}

const parts = [...packages].sort().map(([title, text]) => `${title}\n\n${text}\n`)
writeFileSync('dist/THIRD-PARTY-LICENSES.txt', parts.join(`\n${'-'.repeat(80)}\n\n`))

/** The folder of the package that a file belongs to; those within it only say how to be loaded. */
function packageOf(file: string): string {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json')
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version) return folder
  }
}
