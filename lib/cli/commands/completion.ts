// `sentinel-ipc completion SHELL`: prints a completion script, made from the tables of the commands.

import { optionsOf, type Arguments, type Command, type Context, type OptionSpec } from '../kit/command.js'
import { ExitCode, usageError } from '../kit/exit-code.js'

const SHELLS = ['bash', 'zsh'] as const

/** @param commands returns all commands, this one included */
export function completionCommand(commands: () => readonly Command[]): Command {
  return {
    name: 'completion',
    summary: 'print a completion script for bash or zsh',
    description: 'Prints a script that completes commands, options, and names of listeners.',
    positionals: [{ name: 'SHELL', help: 'bash or zsh', choices: SHELLS }],
    options: {},
    examples: [
      ['source <(sentinel-ipc completion bash)', 'for this shell; put it into ~/.bashrc for all'],
      ['sentinel-ipc completion zsh > ~/.zfunc/_sentinel-ipc', 'where ~/.zfunc is in $fpath'],
    ],
    async run(args: Arguments, { out }: Context): Promise<ExitCode> {
      const shell = args.at(0)
      if (shell === 'bash') await out.write(bashScript(commands()))
      else if (shell === 'zsh') await out.write(zshScript(commands()))
      else throw usageError(`completion takes bash or zsh, not '${shell}'`)
      return ExitCode.ok
    },
  }
}

function words(command: Command): string {
  return Object.entries(optionsOf(command))
    .flatMap(([name, { short }]) => (short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`]))
    .join(' ')
}

function withValue(
  commands: readonly Command[],
  test: (name: string, option: OptionSpec) => boolean,
): string {
  const names = new Set<string>()
  for (const command of commands) {
    for (const [name, option] of Object.entries(command.options)) {
      if (option.value === undefined || !test(name, option)) continue
      names.add(`--${name}`)
      if (option.short !== undefined) names.add(`-${option.short}`)
    }
  }
  return [...names].sort().join('|')
}

/** Returns the kind of a command's arguments, as a word for the shell function below. */
function kindOf({ positionals }: Command): string {
  const [first] = positionals
  if (first?.choices !== undefined) return `words:${first.choices.join(' ')}`
  return first?.kind ?? 'nothing'
}

/**
 * Names of listeners: sockets in the directory of the environment, or those in /tmp. Other users create files there and
 * shells expand what they complete, so only names that `listen` accepts pass.
 */
const NAMES = `_sentinel_ipc_names() {
  local LC_ALL=C file prefix=/tmp/sentinel-
  [ -n "$SENTINEL_IPC_DIRECTORY" ] && prefix=$SENTINEL_IPC_DIRECTORY/
  for file in "$prefix"*.sock; do
    [ -S "$file" ] || continue
    file=\${file#"$prefix"}
    file=\${file%.sock}
    case $file in
      '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) ;;
      *) printf '%s\\n' "$file" ;;
    esac
  done
}`

/**
 * Adds names to COMPREPLY without expanding them. bash inserts directories unquoted unless it is told that they are
 * file names; where it cannot be told (before bash 4), only names that need no quotes are completed.
 */
const BASH_REPLIES = `_sentinel_ipc_complete_name() {
  local name
  while IFS= read -r name; do
    case $name in "$1"*) COMPREPLY+=("$name") ;; esac
  done < <(_sentinel_ipc_names)
}
_sentinel_ipc_complete_directory() {
  local name quotes=yes
  compopt -o filenames 2>/dev/null || { quotes=no; local LC_ALL=C; }
  while IFS= read -r name; do
    case $quotes$name in no*[!A-Za-z0-9._/~+:,@-]*) ;; *) COMPREPLY+=("$name") ;; esac
  done < <(compgen -d -- "$1")
}`

function bashScript(commands: readonly Command[]): string {
  const cases = commands.map(
    (command) => `    ${command.name}) options='${words(command)}'; kind='${kindOf(command)}' ;;`,
  )
  const directories = withValue(commands, (_, { value }) => value === 'DIR')
  const choices = commands
    .flatMap(({ options }) => Object.entries(options))
    .filter(([, { choices: values }]) => values !== undefined)
    .map(
      ([name, { choices: values = [] }]) =>
        `    --${name}) COMPREPLY=($(compgen -W '${values.join(' ')}' -- "$word")); return ;;`,
    )
  return `# bash completion for sentinel-ipc. Load it with: source <(sentinel-ipc completion bash)
${NAMES}
${BASH_REPLIES}
_sentinel_ipc() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} options='' kind=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')} --help --version' -- "$word"))
    return
  fi
  case $before in
    ${directories}) _sentinel_ipc_complete_directory "$word"; return ;;
${[...new Set(choices)].join('\n')}
    ${withValue(commands, (_, { value, choices: values }) => value !== 'DIR' && values === undefined)}) return ;;
  esac
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")); return ;;
  esac
  case $kind in
    name) _sentinel_ipc_complete_name "$word" ;;
    directory) _sentinel_ipc_complete_directory "$word" ;;
    words:*) COMPREPLY=($(compgen -W "\${kind#words:}" -- "$word")) ;;
  esac
}
complete -F _sentinel_ipc sentinel-ipc
`
}

/** Escapes a text for single quotes and square brackets in an _arguments specification. */
function zshText(text: string): string {
  return text.replaceAll("'", "'\\''").replaceAll(/[[\]:]/g, '\\$&')
}

function zshOption(name: string, { help, value, short, multiple, choices }: OptionSpec): string {
  const names = short === undefined ? `--${name}` : `{-${short},--${name}}`
  const action = choices !== undefined ? `(${choices.join(' ')})` : value === 'DIR' ? '_files -/' : ' '
  const takes = value === undefined ? '' : `:${value}:${action}`
  const repeat = multiple === true ? '*' : ''
  return short === undefined
    ? `'${repeat}--${name}[${zshText(help)}]${takes}'`
    : `${repeat === '' ? '' : "'*'"}${names}'[${zshText(help)}]${takes}'`
}

function zshPositionals({ positionals }: Command): string[] {
  return positionals.map(({ name, kind, choices, many }, index) => {
    const action =
      choices !== undefined
        ? `(${choices.join(' ')})`
        : kind === 'name'
          ? '{compadd -- $(_sentinel_ipc_names)}'
          : kind === 'directory'
            ? '_files -/'
            : ' '
    return `'${many === true ? '*' : index + 1}:${name}:${action}'`
  })
}

function zshScript(commands: readonly Command[]): string {
  const cases = commands.map((command) => {
    const specs = [
      ...Object.entries(optionsOf(command)).map(([name, option]) => zshOption(name, option)),
      ...zshPositionals(command),
    ]
    return `    ${command.name}) _arguments ${specs.join(' \\\n      ')} ;;`
  })
  return `#compdef sentinel-ipc
# zsh completion for sentinel-ipc. Put it into a directory of $fpath as _sentinel-ipc.
${NAMES}
_sentinel-ipc() {
  setopt local_options null_glob
  if (( CURRENT == 2 )); then
    local -a commands=(
${commands.map(({ name, summary }) => `      '${name}:${zshText(summary)}'`).join('\n')}
    )
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
if [ "$funcstack[1]" = _sentinel-ipc ]; then _sentinel-ipc "$@"; else compdef _sentinel-ipc sentinel-ipc; fi
`
}
