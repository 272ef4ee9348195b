// Memory in which frames are laid out, used again and again by a whole thread. Where a batch is written as soon as it is
// there, one slab serves all; who keeps lines until they are acknowledged takes more. Must not know frames.

interface Size {
  readonly bytes: number
  readonly maxSpare: number
  readonly spare: Buffer[]
}

/**
 * What is kept fills at least half of its slab, up to 64 KiB. The largest are for what batches take while they are laid
 * out; what of a slab was never used takes no memory.
 */
const SIZES: readonly Size[] = [
  { bytes: 1 << 13, maxSpare: 64, spare: [] },
  { bytes: 1 << 14, maxSpare: 64, spare: [] },
  { bytes: 1 << 15, maxSpare: 64, spare: [] },
  { bytes: 1 << 16, maxSpare: 32, spare: [] },
  { bytes: 1 << 18, maxSpare: 40, spare: [] },
]

/** A slab with room for so many bytes, or more. */
export function takeSlab(bytes: number): Buffer {
  for (const size of SIZES) {
    if (bytes <= size.bytes) return size.spare.pop() ?? Buffer.allocUnsafeSlow(size.bytes)
  }
  return Buffer.allocUnsafeSlow(bytes)
}

/** Gives a slab back, once, when nobody reads it any more. */
export function returnSlab(slab: Buffer): void {
  for (const { bytes, maxSpare, spare } of SIZES) {
    if (slab.length === bytes && spare.length < maxSpare) spare.push(slab)
  }
}
