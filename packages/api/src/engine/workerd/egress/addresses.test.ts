import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Addresses, isPublic } from './addresses.ts'

it.each([
  '127.0.0.1',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.1.1',
  '169.254.169.254',
  '168.63.129.16',
  '100.64.0.1',
  '100.100.100.200',
  '0.0.0.0',
  '224.0.0.1',
  '255.255.255.255',
  '192.0.0.1',
  '192.0.2.1',
  '198.18.0.1',
  '240.0.0.1',
  '::',
  '::1',
  '::127.0.0.1',
  'fe80::1',
  'fe80::1%eth0',
  '2606:4700:4700::1111%eth0',
  'fec0::1',
  'fc00::1',
  'fd00:ec2::254',
  'ff02::1',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '::ffff:0:127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b:1::7f00:1',
  '2002:7f00:1::',
  '2001:0:1::',
  '2001:db8::1',
  '3fff::1',
  '5f00::1',
  '100::1',
  '127.1',
  'nonsense',
])('does not take %s for a public address', (address) => {
  expect(isPublic(address)).toBe(false)
})

it.each(['8.8.8.8', '1.1.1.1', '2606:4700:4700::1111', '2a00:1450:4001::200e'])(
  'takes %s for a public address',
  (address) => expect(isPublic(address)).toBe(true),
)

it('takes no private address for a public one, in whichever IPv6 address it hides', () => {
  const byte = fc.integer({ min: 0, max: 255 })
  const hiding = fc.constantFrom('::ffff:', '::ffff:0:', '64:ff9b::', '::')
  fc.assert(
    fc.property(hiding, byte, byte, byte, byte, (prefix, ...bytes) => {
      expect(isPublic(prefix + bytes.join('.'))).toBe(false)
    }),
  )
})

it('lets nobody go to an address that is not public unless it is permitted with its port', async () => {
  const addresses = new Addresses(['10.0.0.1:8080'], [])
  expect(await addresses.find('10.0.0.1', 8080)).toEqual([{ address: '10.0.0.1', family: 4 }])
  await expect(addresses.find('10.0.0.1', 80)).rejects.toMatchObject({ status: 403 })
  await expect(addresses.find('10.0.0.2', 8080)).rejects.toMatchObject({ status: 403 })
  await expect(addresses.find('a.localhost', 80)).rejects.toMatchObject({ status: 403 })
  await expect(addresses.find('8.8.8.8', 25)).rejects.toMatchObject({ status: 403 })
})
