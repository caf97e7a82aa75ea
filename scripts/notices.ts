import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

// After a build: writes down whose code is in it, and on which terms, as those terms ask.
const metafile = resolve('dist/metafile-esm.json')
const { inputs } = JSON.parse(readFileSync(metafile, 'utf8')) as { inputs: Record<string, object> }
rmSync(metafile)

const listed = 'THIRD-PARTY-LICENSES.txt'
const between = `\n${'-'.repeat(80)}\n\n`
const packages = new Map<string, string>()
for (const path of Object.keys(inputs)) {
  // What is in a package of ours that was built before is in this one too.
  const ours = join(dirname(resolve(path)), listed)
  if (!path.includes('node_modules/') && existsSync(ours)) {
    for (const part of readFileSync(ours, 'utf8').split(between)) {
      const [title = '', ...text] = part.split('\n\n')
      packages.set(title, text.join('\n\n').trim())
    }
  }
  if (!path.includes('node_modules/')) continue
  const folder = packageOf(resolve(path))
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find((it) => /^licen[cs]e/i.test(it))
  if (!file) throw new Error(`${name} has no licence.`)
  packages.set(`${name} ${version}, ${license}`, readFileSync(join(folder, file), 'utf8').trim())
}

const parts = [...packages].sort().map(([title, text]) => `${title}\n\n${text}\n`)
writeFileSync(join('dist', listed), parts.join(between))

/** The folder of the package that a file belongs to; those within it only say how to be loaded. */
function packageOf(file: string): string {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json')
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version) return folder
  }
}
