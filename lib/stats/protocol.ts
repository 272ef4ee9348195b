// The names on the wire between exposeStats() and its readers.

/** Asks for a snapshot; the reply is a StatsSnapshot. */
export const STATS_TYPE = 'sentinel_stats'
/** Asks for audit events from now on; they arrive as messages of {@link AUDIT_EVENT_TYPE}. */
export const AUDIT_TYPE = 'sentinel_audit'
export const AUDIT_EVENT_TYPE = 'sentinel_audit_event'

/**
 * Returns the name of the pipe at which a process exposes its counts. A name that is not a string is returned
 * unchanged; `listen` refuses it.
 */
export function statsName(name: string): string {
  return typeof name === 'string' ? `${name}.stats` : name
}
