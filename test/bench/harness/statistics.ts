// Medians and percentiles of exact, sorted samples.

export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
  /** In the order in which they were measured. */
  readonly samples: readonly number[]
}

export function summarize(samples: readonly number[]): Summary {
  if (samples.length === 0) throw new RangeError('nothing was measured')
  const sorted = samples.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median =
    sorted.length % 2 === 1
      ? (sorted[middle] as number)
      : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
  return { median, min: sorted[0] as number, max: sorted.at(-1) as number, samples }
}

/** The smallest sample that at least this share of all samples does not exceed. Sorts the samples in place. */
export function percentile(samples: Float64Array, share: number): number {
  samples.sort()
  return samples[Math.max(0, Math.ceil(samples.length * share) - 1)] as number
}
