// Reads the files given on the command line, one after the other: plain, gzip by their name, or standard input.

import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'

import { readLines, type Line } from './lines.js'

/** Name for standard input on the command line. */
export const STDIN = '-'

/** Lines that follow each other in a file. */
export interface LineRun {
  /** Short name of the file. */
  readonly file: string
  /** Number of the first of them, from 1. */
  readonly firstLine: number
  readonly lines: readonly Line[]
}

/**
 * The lines of all files, in runs. Ends early when `stop` fires.
 *
 * @throws Error naming the file that could not be read to its end
 */
export async function* readFiles(
  files: readonly string[],
  stop: AbortSignal,
): AsyncGenerator<LineRun, void, undefined> {
  for (const path of files) {
    if (stop.aborted) return
    const file = path === STDIN ? 'stdin' : basename(path)
    let firstLine = 1
    try {
      for await (const lines of readLines(open(path, stop))) {
        yield { file, firstLine, lines }
        firstLine += lines.length
      }
    } catch (error) {
      if (stop.aborted) return
      throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }
}

function open(path: string, stop: AbortSignal): Readable {
  const source = path === STDIN ? process.stdin : createReadStream(path)
  // Iterating over a destroyed stream ends with an error; the signal distinguishes it from a real one.
  const cancel = (): void => {
    source.destroy()
  }
  stop.addEventListener('abort', cancel, { once: true })
  source.once('close', () => {
    stop.removeEventListener('abort', cancel)
  })
  if (!path.endsWith('.gz')) return source
  // The iteration over the result rejects with the error, if any.
  return pipeline(source, createGunzip(), () => undefined)
}
