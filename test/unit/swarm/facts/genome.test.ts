// The genome hash, as Go computes it.

import { expect, it } from 'vitest'

import { genomeHash } from '../../../../lib/swarm/facts/genome.js'

it('is empty without genes', () => {
  expect(genomeHash([])).toBe('')
})

it('has the values that hashlib gives', () => {
  expect(genomeHash([{ id: 'g', content: '1' }])).toBe(
    '65d4c23c00de4a3a77e79c5764bc57c1c3a958aab0e4a9c343cc6c2b27fd8837',
  )
  const genes = [
    { id: 'gene-\u{1F600}', content: 'c3' },
    { id: 'gene-\uffee', content: 'c2' }, // before the one above in UTF-8, after it in UTF-16
    { id: 'b', content: 'two' },
    { id: 'a', content: 'one: ü' },
  ]
  expect(genomeHash(genes)).toBe('c644afdbf9977d10c61fb775b5cf20a1bc19550a9cd28cada859a43d7cf9e3ff')
  expect(genomeHash(genes.toReversed())).toBe(
    'c644afdbf9977d10c61fb775b5cf20a1bc19550a9cd28cada859a43d7cf9e3ff',
  )
})
