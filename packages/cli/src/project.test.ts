import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ProjectName } from '@jackcloud/sdk/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findPlace, nameOf, slugify, writeLink } from './project.ts'

const folder = () => mkdtempSync(join(tmpdir(), 'jack-project-'))

test('a slug of any text is a name that a project may have', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 120 }),
      (text) => ProjectName.safeParse(slugify(text)).success,
    ),
  )
  expect(
    ['My Äpp_2', '--a--b--', '日本', 'x'.repeat(50), `${'x'.repeat(39)}-y`].map(slugify),
  ).toEqual(['my-app-2', 'a-b', 'app', 'x'.repeat(40), 'x'.repeat(39)])
})

test('a name that is a project already stays as it is', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z0-9]([a-z0-9]|-[a-z0-9]){0,19}$/),
      (name) => slugify(name) === name,
    ),
  )
})

test('a name is what a flag says, else the configuration, else the link, else made of package.json or the folder', () => {
  const here = join(folder(), 'My Folder')
  mkdirSync(here)
  expect(nameOf(here, {})).toMatchObject({ name: 'my-folder', explicit: false })
  writeFileSync(join(here, 'package.json'), '{"name": "@me/My.Pkg"}')
  expect(nameOf(here, {})).toMatchObject({ name: 'my-pkg', explicit: false })
  expect(nameOf(here, { link: 'linked' })).toMatchObject({ name: 'linked', explicit: true })
  expect(nameOf(here, { link: 'linked', configured: 'conf' })).toMatchObject({
    name: 'conf',
    explicit: true,
  })
  for (const [configured, link, explicit] of [
    ['my_worker', undefined, false],
    ['my_worker', 'my-worker', true],
    ['my_worker', 'other', false],
  ] as const)
    expect(nameOf(here, { configured, link })).toMatchObject({ name: 'my-worker', explicit })
  expect(nameOf(here, { link: 'l', configured: 'c', flag: 'f' })).toMatchObject({
    name: 'f',
    explicit: true,
  })
})

test('jack.json is found from a folder below, comments and all', async () => {
  const top = folder()
  const deep = join(top, 'a', 'b')
  mkdirSync(deep, { recursive: true })
  writeFileSync(join(top, 'jack.json'), '{\n  // the name\n  "name": "my-api",\n}')
  expect(await findPlace(deep)).toEqual({
    jackJson: { file: join(top, 'jack.json'), name: 'my-api' },
  })
})

test('a link is read again from below and hides itself from git', async () => {
  const top = folder()
  const link = { project: 'my-api', project_id: 'prj_1', url: 'http://127.0.0.1:8787' }
  writeLink(top, link)
  expect(await findPlace(top)).toEqual({ link })
  expect(readFileSync(join(top, '.jack', '.gitignore'), 'utf8')).toBe('*\n')
})

test('a link is not written through symbolic links that came with a repository', () => {
  const link = { project: 'my-api', project_id: 'prj_1', url: 'http://127.0.0.1:8787' }
  const [top, other, outside] = [folder(), folder(), folder()]
  const mine = join(outside, 'mine')
  writeFileSync(mine, 'precious')

  mkdirSync(join(top, '.jack'))
  symlinkSync(mine, join(top, '.jack', 'project.json'))
  symlinkSync(join(outside, 'made'), join(top, '.jack', '.gitignore'))
  writeLink(top, link)
  expect(JSON.parse(readFileSync(join(top, '.jack', 'project.json'), 'utf8'))).toEqual(link)

  symlinkSync(outside, join(other, '.jack'))
  writeLink(other, link)
  expect(readFileSync(mine, 'utf8')).toBe('precious')
  expect(readdirSync(outside)).toEqual(['mine'])
})
