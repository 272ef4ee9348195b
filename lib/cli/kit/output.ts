// The standard streams of the command: colours on terminals only, back-pressure, and a quiet end when the reader of a pipe
// has gone.

import type { Writable } from 'node:stream'

import { printable } from './text.js'

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const
export type Style = keyof typeof STYLES

/** Where a command writes text. */
export interface TextStream extends Writable {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

/** Whether text written to a stream may have colours (no-color.org, FORCE_COLOR as Node has it). */
function wantsColour(stream: TextStream, env: NodeJS.ProcessEnv): boolean {
  if ((env['NO_COLOR'] ?? '') !== '') return false
  if ((env['FORCE_COLOR'] ?? '') !== '') return env['FORCE_COLOR'] !== '0'
  return stream.isTTY === true && env['TERM'] !== 'dumb'
}

/** One standard stream. */
export class Output {
  readonly #stream: TextStream
  readonly colours: boolean
  #ended = false
  readonly #onEnded: () => void

  /** @param onEnded called when the reader of the stream has gone (EPIPE) */
  constructor(stream: TextStream, env: NodeJS.ProcessEnv, onEnded: () => void) {
    this.#stream = stream
    this.colours = wantsColour(stream, env)
    this.#onEnded = onEnded
    stream.on('error', () => {
      if (this.#ended) return
      this.#ended = true
      this.#onEnded()
    })
  }

  /** Whether a person reads along. */
  get isTerminal(): boolean {
    return this.#stream.isTTY === true
  }

  get columns(): number {
    return this.#stream.columns ?? 80
  }

  get rows(): number {
    return this.#stream.rows ?? 24
  }

  /** Whether the reader has gone. */
  get ended(): boolean {
    return this.#ended
  }

  /** Text in a style; as it is where there are no colours. */
  style(text: string, ...styles: readonly Style[]): string {
    if (!this.colours || styles.length === 0) return text
    return `\x1b[${styles.map((style) => STYLES[style]).join(';')}m${text}\x1b[0m`
  }

  /** Writes text. Returns a promise only if the reader is slower than the command: wait for it. */
  write(text: string): Promise<void> | undefined {
    if (this.#ended || this.#stream.write(text)) return undefined
    return new Promise((resolve) => {
      const done = (): void => {
        this.#stream.off('drain', done)
        this.#stream.off('error', done)
        resolve()
      }
      this.#stream.once('drain', done)
      this.#stream.once('error', done)
    })
  }

  line(text = ''): Promise<void> | undefined {
    return this.write(`${text}\n`)
  }

  /** A line of JSON. On a terminal, characters that it would obey are escaped, which changes no value. */
  json(text: string): Promise<void> | undefined {
    return this.line(this.isTerminal ? printable(text) : text)
  }

  /** The last line of a command that a key or a signal ended: not behind the `^C` that a terminal shows. */
  lastLine(text: string, interrupted: boolean): Promise<void> | undefined {
    return this.line(interrupted && this.isTerminal ? `\n${text}` : text)
  }

  /** Resolves when everything that was written has left the process, or the reader has gone. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#ended || this.#stream.writableLength === 0) {
        resolve()
        return
      }
      this.#stream.once('error', () => {
        resolve()
      })
      this.#stream.write('', () => {
        resolve()
      })
    })
  }
}
