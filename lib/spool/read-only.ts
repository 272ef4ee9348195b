// Reads the messages of a spool without claiming it. While its owner writes, the messages are those of the moment.

import { systemClock } from './clock.js'
import { LogFiles } from './log-files.js'
import { LogReader } from './log-reader.js'
import { messagesOf, type SpooledMessage } from './messages.js'
import { blankLines, HEADER_BYTES } from './record.js'
import { Recovery } from './recovery.js'

/**
 * Yields the waiting messages of a spool, oldest first, from a number on. Damaged records are left out.
 *
 * @throws {IpcError} as `Spool.inspect`
 */
export async function* readMessages(directory: string, from = 1): AsyncGenerator<SpooledMessage> {
  const files = await LogFiles.open(directory, 'read')
  try {
    const { index } = await new Recovery(files, systemClock(), 'read').run()
    const reader = new LogReader()
    for (const entry of index.from(from)) {
      const [value] = reader.read([entry])
      if (value === undefined) continue
      const lines = value.subarray(HEADER_BYTES)
      const left = entry.gone === undefined ? lines : blankLines(lines, entry.gone)
      for (const message of messagesOf({
        first: entry.first,
        count: entry.count,
        lines: left,
        patchy: false,
      })) {
        if (message.number >= from) yield message
      }
    }
  } finally {
    files.close()
  }
}
