import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { allowList, targetOf } from './policy.ts'

const mayReach = (hosts: string[] | null, url: string) => {
  const target = targetOf(url)
  return target !== undefined && allowList(hosts)(target)
}
const label = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/)
const name = fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => labels.join('.'))

describe('a target', () => {
  it('is a whole URL, in the form in which it is compared', () => {
    expect(targetOf('https://API.Example.com./a/../b?c=%0d')).toEqual({
      secure: true,
      host: 'api.example.com',
      port: 443,
      authority: 'api.example.com.',
      path: '/b?c=%0d',
    })
    expect(targetOf('http://[2606:4700:0::1]:8080/')).toMatchObject({
      host: '2606:4700::1',
      port: 8080,
      authority: '[2606:4700::1]:8080',
    })
    expect(targetOf('http://0x7f.1/')).toMatchObject({ host: '127.0.0.1', port: 80 })
    expect(targetOf('http://a.example:0/')).toMatchObject({ port: 0 })
  })

  it.each([
    '/path',
    '*',
    'a.example:443',
    'ftp://a.example/',
    'file:///etc/passwd',
    'http:/a.example/',
    'http:\\\\a.example/',
    'http://a.example\\@b.example/',
    'http://user@a.example/',
    'http://user:password@a.example/',
    'http://a.example/ HTTP/1.1',
    'http://a.example/\r\nx: y',
    'http://a.example/\u0000',
    'http://a.ex\tample/',
    'http://\u{ff41}.example/',
    'http:///a.example',
    'http://a.example:99999/',
    '',
    undefined,
  ])('is not %j', (text) => {
    const target = targetOf(text)
    // Three slashes are what URL parsers make two of.
    if (text === 'http:///a.example') expect(target?.host ?? 'a.example').toBe('a.example')
    else expect(target).toBeUndefined()
  })
})

describe('a list of hosts', () => {
  it('allows everything when there is none, and nothing when it is empty', () => {
    fc.assert(
      fc.property(name, (host) => {
        expect(mayReach(null, `https://${host}/`)).toBe(true)
        expect(mayReach([], `https://${host}/`)).toBe(false)
      }),
    )
  })

  it('allows a name on its usual ports, however it is written, and no other name', () => {
    fc.assert(
      fc.property(
        name,
        name,
        label,
        fc.integer({ min: 1, max: 65_535 }),
        (host, other, sub, port) => {
          expect(mayReach([host], `https://${host}/`)).toBe(true)
          expect(mayReach([host], `http://${host.toUpperCase()}./x`)).toBe(true)
          expect(mayReach([host], `https://${host}:${port}/`)).toBe(port === 80 || port === 443)
          expect(mayReach([`${host}:${port}`], `https://${host}:${port}/`)).toBe(true)
          expect(mayReach([`${host}:8443`], `https://${host}/`)).toBe(false)
          expect(mayReach([host], `https://${sub}.${host}/`)).toBe(false)
          expect(mayReach([host], `https://${sub}${host}/`)).toBe(false)
          expect(mayReach([host], `https://${host}.${sub}/`)).toBe(false)
          expect(mayReach([host], `https://${other}/`)).toBe(other === host)
        },
      ),
    )
  })

  it('takes a star for every name below, at any depth, and not for the name itself', () => {
    fc.assert(
      fc.property(name, name, (host, below) => {
        expect(mayReach([`*.${host}`], `https://${below}.${host}/`)).toBe(true)
        expect(mayReach([`*.${host}`], `https://${host}/`)).toBe(false)
        expect(mayReach([`*.${host}`], `https://x${host}/`)).toBe(false)
        expect(mayReach([`*.${host}:8443`], `https://${below}.${host}:8443/`)).toBe(true)
        expect(mayReach([`*.${host}:8443`], `https://${below}.${host}/`)).toBe(false)
      }),
    )
  })

  it.each([
    ['1.2.3.4', 'http://1.2.3.4/', true],
    ['1.2.3.4', 'http://0x01020304/', true],
    ['1.2.3.4', 'http://1.2.3.5/', false],
    ['1.2.3.4:8080', 'http://1.2.3.4:8080/', true],
    ['[2606:4700:0:0::1]', 'https://[2606:4700::1]/', true],
    ['[2606:4700::1]:8443', 'https://[2606:4700::1]:8443/', true],
    ['[2606:4700::1]', 'https://[2606:4700::2]/', false],
    ['*.', 'https://a.example/', false],
    ['..', 'https://a.example/', false],
  ])('reads %s, and %s is then %s', (pattern, url, may) => {
    expect(mayReach([pattern], url)).toBe(may)
  })

  it('never fails on what is no host', () => {
    fc.assert(
      fc.property(fc.string(), name, (pattern, host) => {
        expect(mayReach([pattern], `https://${host}/`)).toBe(pattern === host)
      }),
    )
  })
})
