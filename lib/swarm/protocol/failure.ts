// What a failed exchange is called in alerts, and how bad it is.

import { IpcError } from '../../base/errors.js'
import type { Severity } from '../alerts/alert-bus.js'
import { FactError } from '../facts/fact.js'

/** What a peer does only on purpose. */
const HOSTILE = ['own-id', 'fact-conflict', 'sender-changed', 'genome-changed']

/** Type and severity of the alert about a failure. */
export function classify(error: Error): { type: string; severity: Severity } {
  if (error instanceof FactError) return { type: 'store-refused', severity: 'error' }
  if (!(error instanceof IpcError)) return { type: 'exchange-failed', severity: 'error' }
  switch (error.code) {
    case 'ERR_IPC_TIMEOUT':
      return { type: 'exchange-timeout', severity: 'warning' }
    case 'ERR_IPC_CLOSED':
      return { type: 'exchange-broken', severity: 'warning' }
    default: {
      const type = error.reason ?? 'exchange-failed'
      return { type, severity: HOSTILE.includes(type) ? 'critical' : 'error' }
    }
  }
}
