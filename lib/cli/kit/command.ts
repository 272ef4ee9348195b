// The form of a command: its arguments as a table, from which parsing, help and completion are made.

import { parseArgs, type ParseArgsConfig } from 'node:util'

import { describeError } from '../../base/errors.js'
import { nearestOf } from '../../base/options.js'
import { usageError, type ExitCode } from './exit-code.js'
import type { Output } from './output.js'

/** An option of a command. */
export interface OptionSpec {
  readonly help: string
  /** Placeholder of its value in the help: `N`, `DIR`. Without one it is a flag. */
  readonly value?: string
  /** One letter. */
  readonly short?: string
  /** May be given several times. */
  readonly multiple?: boolean
  /** For completion: the allowed values. */
  readonly choices?: readonly string[]
}

/** A positional argument of a command. */
export interface ArgumentSpec {
  readonly name: string
  readonly help: string
  readonly optional?: boolean
  /** May be given several times. */
  readonly many?: boolean
  readonly choices?: readonly string[]
  /** For completion: `name` completes the names of listeners, `directory` directories. */
  readonly kind?: 'name' | 'directory'
}

/** The surroundings of a running command. */
export interface Context {
  readonly out: Output
  readonly err: Output
  readonly env: NodeJS.ProcessEnv
  /** Fires on SIGINT, SIGTERM or SIGHUP, and when the reader of the output has closed it. */
  readonly signal: AbortSignal
  readonly input: typeof process.stdin
}

/** The parsed arguments of a command. */
export class Arguments {
  readonly positionals: readonly string[]
  readonly #values: Readonly<Record<string, unknown>>

  constructor(positionals: readonly string[], values: Readonly<Record<string, unknown>>) {
    this.positionals = positionals
    this.#values = values
  }

  /** Whether a flag is set. */
  flag(name: string): boolean {
    return this.#values[name] === true
  }

  /** The value of an option; undefined if it is not given. */
  text(name: string): string | undefined {
    const value = this.#values[name]
    return typeof value === 'string' ? value : undefined
  }

  /** The values of an option that may be given several times. */
  list(name: string): readonly string[] {
    const value = this.#values[name]
    return Array.isArray(value) ? (value as string[]) : []
  }

  /** Returns a positional argument, which must not be optional in the table. */
  at(index: number): string {
    return this.positionals[index] ?? ''
  }
}

export interface Command {
  readonly name: string
  /** One line. */
  readonly summary: string
  /** What it does, for `--help`. */
  readonly description: string
  readonly positionals: readonly ArgumentSpec[]
  readonly options: Readonly<Record<string, OptionSpec>>
  /** Lines for `--help`: a command line, and what it does. */
  readonly examples: readonly (readonly [line: string, does: string])[]
  run(args: Arguments, context: Context): Promise<ExitCode>
}

/** Options that every command has. */
export const COMMON_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  json: { help: 'print JSON, for programs' },
  help: { help: 'print this help', short: 'h' },
}

/** The options of a command, the common ones included. */
export function optionsOf(command: Command): Readonly<Record<string, OptionSpec>> {
  return { ...command.options, ...COMMON_OPTIONS }
}

/**
 * Parses the arguments of a command.
 *
 * @throws CommandError for an unknown option, a missing value, or a wrong number of arguments
 */
export function parseArguments(command: Command, args: readonly string[]): Arguments {
  const options = optionsOf(command)
  const { values, positionals } = parse(command.name, options, args)
  const parsed = new Arguments(positionals, values)
  if (!parsed.flag('help')) checkPositionals(command, positionals)
  return parsed
}

function parse(
  name: string,
  options: Readonly<Record<string, OptionSpec>>,
  args: readonly string[],
): { values: Record<string, unknown>; positionals: string[] } {
  const config: NonNullable<ParseArgsConfig['options']> = {}
  for (const [key, { value, short, multiple }] of Object.entries(options)) {
    config[key] = {
      type: value === undefined ? 'boolean' : 'string',
      ...(short !== undefined && { short }),
      ...(multiple === true && { multiple }),
    }
  }
  checkKnown(name, Object.keys(options), args)
  try {
    return parseArgs({ args: [...args], options: config, allowPositionals: true })
  } catch (error) {
    // Node's error text, without its advice about `--`, which concerns names that begin with a dash.
    const [text = ''] = describeError(error).split(/\. To specify|\. Did you/)
    throw usageError(`${name}: ${text}; see 'sentinel-ipc ${name} --help'`)
  }
}

function checkKnown(name: string, known: readonly string[], args: readonly string[]): void {
  for (const arg of args) {
    if (arg === '--') return
    const [, option] = /^--([^=]+)/.exec(arg) ?? []
    if (option === undefined || known.includes(option)) continue
    const nearest = nearestOf(option, known)
    const hint = nearest === undefined ? `see 'sentinel-ipc ${name} --help'` : `did you mean --${nearest}?`
    throw usageError(`${name} has no option --${option}; ${hint}`)
  }
}

function checkPositionals(command: Command, given: readonly string[]): void {
  const needed = command.positionals.filter(({ optional }) => optional !== true)
  const [missing] = needed.slice(given.length)
  if (missing !== undefined) {
    throw usageError(
      `${command.name} needs ${missing.name}: ${missing.help}; see 'sentinel-ipc ${command.name} --help'`,
    )
  }
  const most = command.positionals.some(({ many }) => many === true) ? Infinity : command.positionals.length
  if (given.length > most) {
    throw usageError(
      `${command.name} takes ${most === 0 ? 'no arguments' : command.positionals.map(({ name }) => name).join(' ')}, ` +
        `and got '${given[most] ?? ''}' as well`,
    )
  }
}
