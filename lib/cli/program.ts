// Runs one command line: finds the command, parses its arguments, turns errors into one line and an exit code.

import { describeError, hasCode, isError } from '../base/errors.js'
import { AbortController } from '../base/globals.js'
import { nearestOf } from '../base/options.js'
import { printable } from '../base/quote.js'
import { auditCommand } from './commands/audit.js'
import { benchCommand } from './commands/bench.js'
import { bridgeCommand } from './commands/bridge.js'
import { completionCommand } from './commands/completion.js'
import { doctorCommand } from './commands/doctor.js'
import { listenCommand } from './commands/listen.js'
import { pingCommand } from './commands/ping.js'
import { relayCommand } from './commands/relay.js'
import { requestCommand } from './commands/request.js'
import { sendCommand } from './commands/send.js'
import { spoolCommand } from './commands/spool.js'
import { topCommand } from './commands/top.js'
import { parseArguments, type Arguments, type Command, type Context } from './kit/command.js'
import { CommandError, errorLine, exitCodeOf, ExitCode, usageError } from './kit/exit-code.js'
import { commandHelp, programHelp } from './kit/help.js'
import { nearestName } from './kit/names.js'
import { Output, type TextStream } from './kit/output.js'

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  listenCommand,
  sendCommand,
  requestCommand,
  relayCommand,
  pingCommand,
  doctorCommand,
  topCommand,
  auditCommand,
  spoolCommand,
  bridgeCommand,
  benchCommand,
  completionCommand(() => COMMANDS),
]

/** The parts of `process` that a command line uses. */
export interface Surroundings {
  readonly stdout: TextStream
  readonly stderr: TextStream
  readonly stdin: typeof process.stdin
  readonly env: NodeJS.ProcessEnv
  /** Fires on SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal
  readonly version: () => string
}

/** Runs a command line and resolves with its exit code. Never rejects. */
export async function runProgram(args: readonly string[], surroundings: Surroundings): Promise<ExitCode> {
  const { stdout, stderr, stdin, env, signal } = surroundings
  const unread = new AbortController()
  const out = new Output(stdout, env, () => {
    unread.abort()
  })
  const err = new Output(stderr, env, () => undefined)
  const context: Context = { out, err, env, input: stdin, signal: AbortSignal.any([signal, unread.signal]) }
  let exitCode: ExitCode
  try {
    exitCode = await dispatch(args, context, surroundings.version)
  } catch (error) {
    exitCode = exitCodeOf(error)
    if (exitCode !== ExitCode.interrupted || env['SENTINEL_IPC_DEBUG'] === '1') reportError(error, context)
  }
  await out.flush()
  await err.flush()
  // If the reader has closed the output, it has what it wanted.
  return unread.signal.aborted && !signal.aborted ? ExitCode.ok : exitCode
}

async function dispatch(args: readonly string[], context: Context, version: () => string): Promise<ExitCode> {
  const [name, ...rest] = args
  switch (name) {
    case undefined:
      await context.err.write(programHelp(COMMANDS))
      return ExitCode.usage
    case '--version':
    case '-v':
      await context.out.line(version())
      return ExitCode.ok
    case '--help':
    case '-h':
      await context.out.write(programHelp(COMMANDS))
      return ExitCode.ok
    case 'help': {
      const [about] = rest
      await context.out.write(about === undefined ? programHelp(COMMANDS) : commandHelp(commandOf(about)))
      return ExitCode.ok
    }
    default: {
      const command = commandOf(name)
      const parsed = parseArguments(command, rest)
      if (!parsed.flag('help')) {
        return command.run(parsed, context).catch((error: unknown) => {
          throw explained(error, command, parsed, context)
        })
      }
      await context.out.write(commandHelp(command))
      return ExitCode.ok
    }
  }
}

/** Adds a similar name that has a socket to ERR_IPC_NOT_LISTENING. Returns any other error unchanged. */
function explained(error: unknown, { positionals }: Command, args: Arguments, { env }: Context): unknown {
  if (!hasCode(error, 'ERR_IPC_NOT_LISTENING')) return error
  for (const [index, { kind }] of positionals.entries()) {
    const name = args.at(index)
    // Only the name that the error is about; for a path there is no suggestion.
    if (kind !== 'name' || name === '' || name.includes('/') || !error.message.includes(`${name}.sock`))
      continue
    const near = nearestName(name, args.text('directory'), env)
    if (near === undefined) continue
    const text = `${describeError(error)} [${error.code}]; did you mean ${near}?`
    return new CommandError(ExitCode.notListening, text, error)
  }
  return error
}

function commandOf(name: string): Command {
  const found = COMMANDS.find((command) => command.name === name)
  if (found !== undefined) return found
  const nearest = nearestOf(
    name,
    COMMANDS.map((command) => command.name),
  )
  const hint = nearest === undefined ? "see 'sentinel-ipc --help'" : `did you mean ${nearest}?`
  throw usageError(`there is no command '${name}'; ${hint}`)
}

function reportError(error: unknown, { err, env }: Context): void {
  void err.line(`${err.style('sentinel-ipc:', 'red')} ${errorLine(error)}`)
  if (env['SENTINEL_IPC_DEBUG'] !== '1' || !isError(error)) return
  for (let cause: unknown = error; isError(cause); cause = cause.cause)
    void err.line((cause.stack ?? cause.message).split('\n').map(printable).join('\n'))
}
