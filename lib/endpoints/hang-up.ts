// How a receiver closes its connection.

import { hasCode } from '../base/errors.js'
import type { Connection } from '../connection/connection.js'

/**
 * Closes a connection for a receiver. Ignores ERR_IPC_CLOSED and ERR_IPC_TIMEOUT: a sender that shares the connection
 * reports the outcome of its messages itself.
 */
export async function hangUp(connection: Connection): Promise<void> {
  try {
    await connection.close()
  } catch (error) {
    if (!hasCode(error, 'ERR_IPC_CLOSED', 'ERR_IPC_TIMEOUT')) throw error
  }
}
