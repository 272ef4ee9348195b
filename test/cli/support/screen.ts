// A terminal of its own in tmux, in which a test runs commands and looks at what a person would see.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, onTestFinished } from 'vitest'

import { temporaryDirectory } from '../../support/directory.js'
import { until } from '../../support/wait.js'
import { main } from './command.js'

const hasTmux = spawnSync('tmux', ['-V']).status === 0

/** Why tests with a terminal cannot run here, behind their titles; '' if they can. */
export const whyNoScreen = hasTmux ? '' : ' (skipped: needs tmux)'

/** As `describe`, for tests with a terminal. */
export function describeScreen(title: string, tests: () => void): void {
  describe.skipIf(!hasTmux)(`${title}${whyNoScreen}`, tests)
}

/** What a program may write to a terminal: text, ends of lines, colours, and a line that is written over. */
export const HARMLESS = /^(?:[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|[\r\n]|\x1b\[[\d;]*m|\x1b\[K)*$/u

/** Text in single quotes for a shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** The command line for a shell: `sentinel-ipc` with these arguments. */
export function commandLine(...args: readonly string[]): string {
  return [process.execPath, main, ...args].map(quoted).join(' ')
}

export class Screen {
  readonly #socket: string
  readonly #rawFile: string

  private constructor(directory: string) {
    this.#socket = join(directory, 'tmux')
    this.#rawFile = join(directory, 'raw')
  }

  /** A terminal with a shell, which ends with the test. */
  static open(columns: number, rows: number, variables: NodeJS.ProcessEnv = {}): Screen {
    const screen = new Screen(temporaryDirectory())
    const size = ['-x', String(columns), '-y', String(rows)]
    const plain = Object.entries(process.env).filter(
      ([name]) => !/^(NO_COLOR|FORCE_COLOR|SENTINEL_IPC_.*|TMUX)$/.test(name),
    )
    const env = {
      ...Object.fromEntries(plain),
      TERM: 'xterm-256color',
      LC_ALL: 'C.UTF-8',
      PS1: '$ ',
      ...variables,
    }
    execFileSync(
      'tmux',
      ['-S', screen.#socket, '-f', '/dev/null', 'new-session', '-d', '-s', 'test', ...size, 'sh'],
      { env },
    )
    onTestFinished(() => {
      spawnSync('tmux', ['-S', screen.#socket, 'kill-server'])
    })
    return screen
  }

  #tmux(...args: string[]): string {
    return execFileSync('tmux', ['-S', this.#socket, ...args], { encoding: 'utf8' })
  }

  /** What the terminal shows. */
  get text(): string {
    return this.#tmux('capture-pane', '-p', '-t', 'test')
  }

  /** The same without empty lines at the end. */
  get lines(): string[] {
    return this.text.trimEnd().split('\n')
  }

  /** What the terminal shows, with the sequences for its colours. */
  get coloured(): string {
    return this.#tmux('capture-pane', '-p', '-e', '-t', 'test')
  }

  /** The title of the terminal, which programs can set. */
  get title(): string {
    return this.#tmux('display-message', '-p', '-t', 'test', '#{pane_title}').trim()
  }

  /** Types a line into the shell, with the code that it ends with as the last line. */
  run(line: string): void {
    // What an earlier command printed must be gone at once: the shell clears it only when it gets to it.
    this.#tmux('send-keys', '-R', '-t', 'test')
    this.#tmux('send-keys', '-t', 'test', '-l', `clear; ${line}; echo code $?`)
    this.press('Enter')
  }

  /** Presses keys, by the names of tmux: `C-c`, `Enter`, `Down`, `q`. */
  press(...keys: string[]): void {
    this.#tmux('send-keys', '-t', 'test', ...keys)
  }

  /** Types text. */
  type(text: string): void {
    this.#tmux('send-keys', '-t', 'test', '-l', text)
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-t', 'test', '-x', String(columns), '-y', String(rows))
  }

  /** From now on, keeps the bytes that programs write to the terminal. */
  record(): void {
    this.#tmux('pipe-pane', '-t', 'test', `cat > ${quoted(this.#rawFile)}`)
  }

  /** The bytes since {@link record}. */
  get recorded(): string {
    return existsSync(this.#rawFile) ? readFileSync(this.#rawFile, 'utf8') : ''
  }

  async shows(text: string | RegExp): Promise<void> {
    const found = (shown: string): boolean =>
      typeof text === 'string' ? shown.includes(text) : text.test(shown)
    await until(() => found(this.text)).catch((error: unknown) => {
      throw new Error(`the terminal does not show ${String(text)}, but:\n${this.text}`, { cause: error })
    })
  }
}
