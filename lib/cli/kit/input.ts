// Lines of NDJSON from standard input, and what is known about its length.

import { fstatSync } from 'node:fs'

import { MAX_MESSAGE_BYTES } from '../../message/envelope.js'
import { CommandError, ExitCode } from './exit-code.js'

/** Returns the size of the input in bytes, if it is a file. */
export function inputSize(input: typeof process.stdin): number | undefined {
  try {
    const stats = fstatSync(input.fd)
    return stats.isFile() ? stats.size : undefined
  } catch {
    return undefined
  }
}

/** Reads a short input completely, as text. */
export async function readAll(input: typeof process.stdin, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  const stop = (): void => {
    input.destroy()
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    for await (const chunk of input) {
      chunks.push(chunk as Buffer)
      bytes += (chunk as Buffer).length
      if (bytes > 2 * MAX_MESSAGE_BYTES) {
        throw new CommandError(
          ExitCode.failed,
          `the input is longer than any message (${MAX_MESSAGE_BYTES} bytes)`,
        )
      }
    }
  } finally {
    signal.removeEventListener('abort', stop)
  }
  return Buffer.concat(chunks).toString('utf8')
}
