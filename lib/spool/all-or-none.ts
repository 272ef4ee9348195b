// Adds several entries to a spool together: all are stored, or none, as far as a failing disk allows. Must not know
// messages.

import { IpcError } from '../base/errors.js'
import type { SpoolEntry } from './spool-log.js'

/** The spool, as far as this needs it. */
export interface EntryLog {
  readonly directory: string
  append(entry: SpoolEntry): { readonly durable: Promise<void> }
  /** Removes messages from the spool. */
  settle(first: number, through: number): void
  /** Resolves when the removal is recorded. */
  recorded(first: number, through: number): Promise<void>
}

/**
 * Appends entries whose numbers begin with `first`. Resolves when all are durable. If the disk takes only some of them,
 * these are removed again before the promise rejects.
 *
 * @throws {IpcError} as `append`; ERR_IPC_SYSTEM with reason `maybe-kept` if some may be stored
 */
export async function appendAllOrNone(
  log: EntryLog,
  entries: readonly SpoolEntry[],
  first: number,
): Promise<void> {
  const outcomes = await Promise.allSettled(entries.map((entry) => log.append(entry).durable))
  const errors = outcomes.flatMap((outcome) =>
    outcome.status === 'rejected' ? [outcome.reason as IpcError] : [],
  )
  const [error] = errors
  if (error === undefined) return
  const unknown = errors.find(({ reason }) => reason === 'maybe-kept')
  if (unknown !== undefined) throw unknown
  if (errors.length < outcomes.length) {
    await withdraw(log, first, entries.reduce((next, { count }) => next + count, first) - 1, error)
  }
  throw error
}

/** Removes those of the messages that are durable. */
async function withdraw(log: EntryLog, first: number, through: number, cause: IpcError): Promise<void> {
  log.settle(first, through)
  try {
    await log.recorded(first, through)
  } catch {
    throw new IpcError(
      'ERR_IPC_SYSTEM',
      `the spool in ${log.directory} stored some of these messages, and their removal could not be recorded: ` +
        'if this process ends now, the spool holds them when it is opened again',
      { reason: 'maybe-kept', cause },
    )
  }
}
