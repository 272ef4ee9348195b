// The standard streams of the command: colours on terminals only, back-pressure, and a quiet end when the reader of a
// pipe has closed it.

import type { Writable } from 'node:stream'

import { printable } from '../../base/quote.js'
import { harmless } from './text.js'

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const
export type Style = keyof typeof STYLES

/** A stream that a command writes text to. */
export interface TextStream extends Writable {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

/** Whether text written to a stream may have colours (no-color.org, FORCE_COLOR as in Node). */
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

  /** @param onEnded called when the reader has closed the stream (EPIPE) */
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

  /** Whether the stream is a terminal. */
  get isTerminal(): boolean {
    return this.#stream.isTTY === true
  }

  get columns(): number {
    return this.#stream.columns ?? 80
  }

  get rows(): number {
    return this.#stream.rows ?? 24
  }

  /** Whether the reader has closed the stream. */
  get ended(): boolean {
    return this.#ended
  }

  /** Returns text in a style; unchanged if the stream has no colours. */
  style(text: string, ...styles: readonly Style[]): string {
    if (!this.colours || styles.length === 0) return text
    return `\x1b[${styles.map((style) => STYLES[style]).join(';')}m${text}\x1b[0m`
  }

  /**
   * Writes text as it is: never text of peers or names of files. Returns a promise to await if the reader is slower
   * than the command, otherwise undefined.
   */
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

  /** Writes lines. On a terminal, everything in them that would steer it is escaped, except colours. */
  line(text = ''): Promise<void> | undefined {
    return this.write(`${this.isTerminal ? harmless(text) : text}\n`)
  }

  /** Writes a line of JSON. On a terminal, control characters are escaped, which changes no value. */
  json(text: string): Promise<void> | undefined {
    return this.line(this.isTerminal ? printable(text) : text)
  }

  /**
   * Writes the last line of a command that a key or a signal ended. On a terminal it starts a new line, after the `^C`
   * that is shown.
   */
  lastLine(text: string, interrupted: boolean): Promise<void> | undefined {
    return this.line(interrupted && this.isTerminal ? `\n${text}` : text)
  }

  /** Resolves when everything that was written has left the process, or the reader has closed the stream. */
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
