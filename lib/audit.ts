// What a security monitor may want to hear, published on node:diagnostics_channel.

import { channel } from 'node:diagnostics_channel'

import type { NativeRefusal } from './native.js'

const reject = channel('sentinel-ipc:reject')

/**
 * Publishes clients that were turned away on `sentinel-ipc:reject`, one message each:
 * `{ address, reason, pid, uid, gid, groups, omitted }`, where `omitted` counts refusals that were left out just before
 * this one. At most 64 are published every 100 ms.
 */
export function publishRefusals(
  address: string,
  report: { readonly refusals: readonly NativeRefusal[]; readonly omitted: number },
): void {
  if (!reject.hasSubscribers) return
  report.refusals.forEach((refusal, i) => {
    const omitted = i === report.refusals.length - 1 ? report.omitted : 0
    reject.publish({ address, ...refusal, omitted })
  })
}
