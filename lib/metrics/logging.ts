// Writes the audit events of connections to the application's logger. Nothing is logged unless logEvents is called.

import { followAudit, type AuditRecord } from '../stats/audit-feed.js'
import { callUser } from '../base/user-code.js'

/** A logger with the interface of pino: methods that take an object and a text. */
export interface Logger {
  /** Logs a routine event. */
  info(fields: object, text: string): void
  /** Logs an event that an operator should look at. */
  warn(fields: object, text: string): void
}

const TEXTS: Readonly<Record<string, readonly [level: 'info' | 'warn', text: string]>> = {
  accept: ['info', 'sentinel-ipc: a client was let in'],
  close: ['info', 'sentinel-ipc: a connection has ended'],
  reject: ['warn', 'sentinel-ipc: a client was turned away'],
  invalid: ['warn', 'sentinel-ipc: a peer sent a line that is not a message'],
  drop: ['warn', 'sentinel-ipc: messages could not be written'],
  'address-lost': ['warn', 'sentinel-ipc: the address no longer leads to the listener'],
  'user-error': ['warn', 'sentinel-ipc: a callback of the application has thrown'],
}

/**
 * Logs the audit events of this thread: admitted and refused clients with the reason, invalid lines, dropped messages,
 * ended connections. Payloads are not logged.
 *
 * @returns a function that stops the logging
 * @throws TypeError if `logger` lacks `info` or `warn`
 */
export function logEvents(logger: Logger): () => void {
  const given: Partial<Record<keyof Logger, unknown>> | undefined = logger
  if (typeof given?.info !== 'function' || typeof given.warn !== 'function') {
    throw new TypeError('logEvents: logger must have the methods info and warn, as pino has')
  }
  return followAudit((record: AuditRecord) => {
    const [level, text] = TEXTS[record.event] ?? ['info', `sentinel-ipc: ${record.event}`]
    callUser(
      'logger',
      (fields: object) => {
        logger[level](fields, text)
      },
      record,
    )
  })
}
