// Checks of options that both ends of acknowledged delivery have.

import { describeValue, wrongKind, type OptionCheck } from '../../base/options.js'
import type { SpoolLog } from '../../spool/spool-log.js'

/** A whole number from `least` on, or Infinity. */
export function countFrom(least: number): OptionCheck {
  const wanted = `a whole number from ${least}, or Infinity`
  return (value, name) => {
    if (typeof value !== 'number') throw wrongKind(name, wanted, value)
    if (value !== Infinity && !(Number.isInteger(value) && value >= least)) {
      throw new RangeError(`${name} must be ${wanted}, not ${value}`)
    }
  }
}

/** A number of milliseconds within bounds. */
export function millisecondsWithin(least: number, most: number): OptionCheck {
  const wanted = `a number of milliseconds from ${least} to ${most}`
  return (value, name) => {
    if (typeof value !== 'number') throw wrongKind(name, wanted, value)
    if (!(value >= least && value <= most)) throw new RangeError(`${name} must be ${wanted}, not ${value}`)
  }
}

/** An open spool. */
export const spoolLog: OptionCheck = (value, name) => {
  const { append, attach, read, settle } = Object(value) as Partial<SpoolLog>
  if ([append, attach, read, settle].every((method) => typeof method === 'function')) return
  const isPromise = typeof (Object(value) as Partial<PromiseLike<unknown>>).then === 'function'
  throw new TypeError(
    `${name} must be an open Spool, not ${describeValue(value)}${isPromise ? ': await Spool.open() first' : ''}`,
  )
}
