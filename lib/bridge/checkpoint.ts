// The state of an incoming bridge, as stored in the message system: the position and the local number through which
// everything is settled. A line of JSON, then the table of sessions.

import { parseJson } from '../base/json.js'
import { isError } from '../base/errors.js'
import { IpcError } from '../base/errors.js'
import type { SessionTable } from './session-table.js'

export interface Checkpoint {
  /** Everything in the message system through this position is settled. */
  readonly position: number
  /** Session of the messages to the local receiver. */
  readonly session: string
  /** Number of the local session through which everything is settled. */
  readonly number: number
}

const NEWLINE = 10

export function encodeCheckpoint({ position, session, number }: Checkpoint, table: SessionTable): Buffer {
  const head = JSON.stringify({ version: 1, position, session, number })
  return Buffer.concat([Buffer.from(`${head}\n`), table.encode()])
}

/**
 * Reads a checkpoint; the sessions go into `table`.
 *
 * @throws {IpcError} ERR_IPC_INVALID_MESSAGE for bytes that {@link encodeCheckpoint} did not make
 */
export function decodeCheckpoint(bytes: Buffer, table: SessionTable): Checkpoint {
  try {
    const end = bytes.indexOf(NEWLINE)
    const head = parseJson(bytes.toString('utf8', 0, end)) as Partial<Checkpoint> & { version?: number }
    const { version, position, session, number } = head
    if (version !== 1) throw new RangeError(`it has version ${String(version)}, and this package knows 1`)
    if (
      !Number.isSafeInteger(position) ||
      !Number.isSafeInteger(number) ||
      !/^[0-9a-f]{32}$/.test(session ?? '')
    ) {
      throw new RangeError('position, number or session is missing')
    }
    table.decode(bytes.subarray(end + 1))
    return { position, session, number } as Checkpoint
  } catch (error) {
    throw new IpcError(
      'ERR_IPC_INVALID_MESSAGE',
      `the checkpoint of the bridge cannot be used: ${isError(error) ? error.message : ''}. Delete it to start anew; messages ` +
        'that were delivered and are still stored will come again',
      { reason: 'checkpoint', cause: error },
    )
  }
}
