// The options of a developer's command. --help prints its usage; what is wrong with an option is one line, and exit code 2.

import { parseArgs, type ParseArgsConfig } from 'node:util'

const MISUSED = 2

type Options<T extends ParseArgsConfig> = ReturnType<typeof parseArgs<T>>

/** Parses the command line, or ends the process. `usage` is the whole text of --help. */
export function readOptions<const T extends ParseArgsConfig>(usage: string, config: T): Options<T> {
  const args = config.args ?? process.argv.slice(2)
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  if (own.includes('--help') || own.includes('-h')) {
    console.log(usage.trimEnd())
    process.exit(0)
  }
  try {
    return parseArgs(config)
  } catch (error) {
    // Without Node's advice on names that begin with a dash: none does.
    return misused((error as Error).message.replace(/\. To specify .*/s, ''))
  }
}

/** A whole number from `least` on, or the end of the process. */
export function wholeNumber(option: string, text: string, least = 0): number {
  const number = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(number) && number >= least) return number
  return misused(`--${option} must be a whole number from ${least}, not ${JSON.stringify(text)}`)
}

/** Ends the process, because the command line is wrong. */
export function misused(why: string): never {
  console.error(`${why} (--help lists the options)`)
  process.exit(MISUSED)
}
