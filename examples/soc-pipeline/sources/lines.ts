// Splits a stream of bytes into lines, in bounded memory: a line that is too long is skipped to its end and counted.

/** Longest line that becomes an event. The message around it takes some of the library's 1 MiB. */
export const MAX_LINE_BYTES = 1_000_000

/** A line without its line break; undefined in place of one that is too long. */
export type Line = string | undefined

const NEWLINE = 0x0a
const CARRIAGE_RETURN = 0x0d

/**
 * The lines of a stream, in runs as they were read. A last line without a line break counts. Bytes that are not UTF-8
 * become U+FFFD.
 */
export async function* readLines(stream: AsyncIterable<Buffer>): AsyncGenerator<Line[], void, undefined> {
  let pieces: Buffer[] = []
  let bytes = 0
  let tooLong = false
  const finish = (last: Buffer): Line => {
    const whole = pieces.length === 0 ? last : Buffer.concat([...pieces, last])
    const line = tooLong || whole.length > MAX_LINE_BYTES ? undefined : decode(whole)
    pieces = []
    bytes = 0
    tooLong = false
    return line
  }
  for await (const chunk of stream) {
    const lines: Line[] = []
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      lines.push(finish(chunk.subarray(start, end)))
      start = end + 1
    }
    if (start < chunk.length && !tooLong) {
      pieces.push(chunk.subarray(start))
      bytes += chunk.length - start
      if (bytes > MAX_LINE_BYTES) {
        pieces = []
        tooLong = true
      }
    }
    if (lines.length > 0) yield lines
  }
  if (bytes > 0) yield [finish(Buffer.alloc(0))]
}

function decode(line: Buffer): string {
  const end = line.at(-1) === CARRIAGE_RETURN ? line.length - 1 : line.length
  return line.toString('utf8', 0, end)
}
