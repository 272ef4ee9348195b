// The terminal while top runs: the alternate screen, and single keys. Restores the terminal however top ends.

import type { Output } from '../kit/output.js'

const ENTER = '\x1b[?1049h\x1b[?25l'
const LEAVE = '\x1b[?25h\x1b[?1049l'

/** Takes over the terminal. Returns a function that restores it. */
export function takeTerminal(
  out: Output,
  input: NodeJS.ReadStream,
  onKey: (key: string) => void,
  onResize: () => void,
): () => void {
  void out.write(ENTER)
  const onData = (data: Buffer): void => {
    for (const key of keysOf(data.toString('latin1'))) onKey(key)
  }
  const raw = input.isTTY && typeof input.setRawMode === 'function'
  if (raw) {
    input.setRawMode(true)
    input.on('data', onData)
    input.resume()
  }
  process.on('SIGWINCH', onResize)
  return () => {
    process.off('SIGWINCH', onResize)
    if (raw) {
      input.off('data', onData)
      input.setRawMode(false)
      input.pause()
    }
    void out.write(LEAVE)
  }
}

/** Replaces the content of the screen. */
export function show(out: Output, lines: readonly string[]): void {
  void out.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`)
}

/** Splits input into single keys; arrow keys, which send escape sequences, by name. */
function keysOf(data: string): readonly string[] {
  const named = data.replaceAll('\x1b[A', '\0').replaceAll('\x1b[B', '\x01')
  return Array.from(named, (key) => (key === '\0' ? 'up' : key === '\x01' ? 'down' : key))
}
