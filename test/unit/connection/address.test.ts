// From a name and options to the path of a socket.

import { describe, expect, it } from 'vitest'

import { resolveAddress } from '../../../lib/connection/address.js'

describe('resolveAddress', () => {
  it('gives the documented default', () => {
    expect(resolveAddress('soc-ingest-to-correlate', {})).toBe('/tmp/sentinel-soc-ingest-to-correlate.sock')
  })

  it('puts a directory in front of the bare name, as shipped Go peers do', () => {
    expect(resolveAddress('a', { directory: '/run/soc' })).toBe('/run/soc/a.sock')
  })

  it('takes a path as it is and makes it absolute', () => {
    expect(resolveAddress('a', { path: '/run/x' })).toBe('/run/x')
    expect(resolveAddress('a', { path: 'x.sock' })).toBe(`${process.cwd()}/x.sock`)
  })

  it.each([
    '',
    '.',
    '..',
    '../x',
    'a/b',
    'a\0b',
    '-a',
    '.hidden',
    'é',
    'x'.repeat(201),
    7 as unknown as string,
  ])('refuses the name %j', (name) => {
    expect(() => resolveAddress(name, {})).toThrow(TypeError)
  })

  it.each([{ path: '' }, { directory: '' }, { path: '/a\0b' }, { path: '/a', directory: '/b' }])(
    'refuses %j',
    (options) => {
      expect(() => resolveAddress('a', options)).toThrow(TypeError)
    },
  )

  it('takes a path of 107 bytes and refuses one of 108', () => {
    expect(resolveAddress('a', { path: `/${'x'.repeat(106)}` })).toHaveLength(107)
    expect(() => resolveAddress('a', { path: `/${'x'.repeat(107)}` })).toThrow(
      expect.objectContaining({ code: 'ERR_IPC_PATH_TOO_LONG' }),
    )
    expect(() => resolveAddress('a', { path: `/${'é'.repeat(54)}` })).toThrow(/109 bytes/)
  })
})
