// The genome hash. Two nodes exchange facts only if their hashes are equal. Must not know where it is compared.

import { sha256 } from '../../base/crypto.js'
import type { Fact } from './fact.js'

/**
 * Returns the hash of a set of genes (Go: the registry's genome hash): the SHA-256, in hex, of the SHA-256 digests of
 * `id:content`, in the order of the ids' UTF-8 bytes. Returns an empty string for no genes.
 */
export function genomeHash(genes: Iterable<Pick<Fact, 'id' | 'content'>>): string {
  const sorted = [...genes].map((gene) => ({ gene, key: Buffer.from(gene.id) }))
  if (sorted.length === 0) return ''
  // Go compares bytes. JavaScript compares UTF-16 units, whose order differs beyond the basic plane.
  sorted.sort((a, b) => Buffer.compare(a.key, b.key))
  const whole = sha256()
  for (const { gene } of sorted) {
    whole.update(sha256().update(`${gene.id}:${gene.content}`).digest())
  }
  return whole.digest('hex')
}

/** Whether a value is a genome hash: an empty string, or 64 lower-case hex digits. */
export function isGenomeHash(value: unknown): value is string {
  return typeof value === 'string' && (value === '' || /^[0-9a-f]{64}$/.test(value))
}
