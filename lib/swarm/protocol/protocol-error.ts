// The errors of an exchange: turns a peer's violation into an IpcError with a stable reason, and classifies failed
// exchanges for alerts. Must not know connections.

import type { SwarmViolation } from '../../base/error-reasons.js'
import { IpcError } from '../../base/errors.js'
import type { Severity } from '../alerts/alert-bus.js'

/** Returns the error for a message that breaks a rule of the exchange. `reason` is the stable name of that rule. */
export function invalid(reason: SwarmViolation, message: string): IpcError {
  return new IpcError('ERR_IPC_INVALID_MESSAGE', message, { reason })
}

/** The reason of a time-out that the fact store caused, rather than the peer. */
export const STORE_STUCK = 'store-stuck'

/** Violations that an honest peer cannot commit by accident. */
const HOSTILE = ['own-id', 'fact-conflict', 'sender-changed', 'genome-changed']

/** Returns type and severity of the alert about a failed exchange. */
export function classify(error: Error): { type: string; severity: Severity } {
  if (!(error instanceof IpcError)) {
    // By the code, because another implementation of a store may have an error class of its own.
    const refused = 'code' in error && String(error.code).startsWith('ERR_FACT_')
    return { type: refused ? 'store-refused' : 'exchange-failed', severity: 'error' }
  }
  switch (error.code) {
    case 'ERR_IPC_TIMEOUT':
      if (error.reason === STORE_STUCK) return { type: STORE_STUCK, severity: 'error' }
      return { type: 'exchange-timeout', severity: 'warning' }
    case 'ERR_IPC_CLOSED':
      return { type: 'exchange-broken', severity: 'warning' }
    default: {
      const type = error.reason ?? 'exchange-failed'
      return { type, severity: HOSTILE.includes(type) ? 'critical' : 'error' }
    }
  }
}
