// Help texts, made from the tables of the commands.

import { optionsOf, type ArgumentSpec, type Command, type OptionSpec } from './command.js'
import { pad } from './text.js'

/** `listen NAME [options]`. */
export function usageOf({ name, positionals }: Command): string {
  return ['sentinel-ipc', name, ...positionals.map(argumentText), '[options]'].join(' ')
}

function argumentText({ name, optional, many }: ArgumentSpec): string {
  const text = many === true ? `${name}...` : name
  return optional === true ? `[${text}]` : text
}

function optionText(name: string, { short, value }: OptionSpec): string {
  return `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`
}

/** The help of one command. */
export function commandHelp(command: Command): string {
  const lines = [`Usage: ${usageOf(command)}`, '', command.description, '']
  const rows: [string, string][] = [
    ...command.positionals.map(({ name, help }): [string, string] => [`  ${name}`, help]),
    ...Object.entries(optionsOf(command)).map(([name, option]): [string, string] => [
      `  ${optionText(name, option)}`,
      option.multiple === true ? `${option.help} (may be repeated)` : option.help,
    ]),
  ]
  const width = Math.max(...rows.map(([left]) => left.length)) + 2
  for (const [left, right] of rows) lines.push(pad(left, width) + right)
  if (command.examples.length > 0) lines.push('', 'Examples:')
  for (const [line, does] of command.examples) lines.push(`  ${line}`, `      ${does}`)
  return `${lines.join('\n')}\n`
}

/** The help of the whole program. */
export function programHelp(commands: readonly Command[]): string {
  const usages = commands.map((command) => [command.name, ...command.positionals.map(argumentText)].join(' '))
  const width = Math.max(...usages.map((usage) => usage.length)) + 2
  return `Usage: sentinel-ipc COMMAND [arguments]

Secure, very fast local IPC from the command line.

Commands:
${commands.map(({ summary }, index) => `  ${pad(usages[index] ?? '', width)}${summary}`).join('\n')}

Try it, in two terminals:
  sentinel-ipc listen events
  sentinel-ipc send events --type soc_event --payload '{"EventID":4625}'

'sentinel-ipc COMMAND --help' explains a command. 'sentinel-ipc --version' prints the version.

A NAME is that of a listener, as in the API: letters, digits, '.', '_' and '-'. With a slash it is the path of a socket.

Environment:
  SENTINEL_IPC_DIRECTORY  directory of the sockets, where --directory is not given
  SENTINEL_IPC_DEBUG=1    print the stack of an error
  NO_COLOR=1              no colours; there are none either where the output is not a terminal

Exit codes: 0 success, 1 failure, 2 wrong arguments, 3 no listener, 4 refused (permissions, policy, unsafe path),
  5 timed out, 130 interrupted.
`
}
