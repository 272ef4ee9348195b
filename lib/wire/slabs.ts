// A pool of buffers in which frames are laid out, reused by the whole thread. If each batch is written immediately, one
// slab is enough; a sender that keeps lines until they are acknowledged needs more. Must not know frames.

interface Size {
  readonly bytes: number
  readonly maxSpare: number
  readonly spare: Buffer[]
}

/**
 * Up to 64 KiB, data that is kept fills at least half of its slab. The largest slabs are for batches being laid out;
 * pages of a slab that were never touched take no memory.
 */
const SIZES: readonly Size[] = [
  { bytes: 1 << 13, maxSpare: 64, spare: [] },
  { bytes: 1 << 14, maxSpare: 64, spare: [] },
  { bytes: 1 << 15, maxSpare: 64, spare: [] },
  { bytes: 1 << 16, maxSpare: 32, spare: [] },
  { bytes: 1 << 18, maxSpare: 40, spare: [] },
]

/** Takes a slab of at least `bytes`. */
export function takeSlab(bytes: number): Buffer {
  for (const size of SIZES) {
    if (bytes <= size.bytes) return size.spare.pop() ?? Buffer.allocUnsafeSlow(size.bytes)
  }
  return Buffer.allocUnsafeSlow(bytes)
}

/** Returns a slab to the pool. Call it once, when nothing reads the slab any more. */
export function returnSlab(slab: Buffer): void {
  for (const { bytes, maxSpare, spare } of SIZES) {
    if (slab.length !== bytes) continue
    if (spare.length < maxSpare) spare.push(slab)
    return
  }
}
