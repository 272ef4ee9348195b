// Runs a command to its end and fails loudly.

import { spawnSync, type SpawnSyncOptions } from 'node:child_process'

/**
 * Output goes to this process's own unless `options` say otherwise.
 *
 * @returns what it printed, when stdout is piped
 * @throws Error with the command and how it ended
 */
export function run(command: string, args: readonly string[], options: SpawnSyncOptions = {}): string {
  const result = spawnSync(command, args, {
    stdio: 'inherit',
    maxBuffer: 64 << 20,
    ...options,
    encoding: 'utf8',
  })
  if (result.error !== undefined) throw new Error(`${command} cannot run: ${result.error.message}`)
  if (result.status !== 0) {
    const how = result.signal ?? `exit code ${result.status ?? '?'}`
    const said = typeof result.stderr === 'string' && result.stderr !== '' ? `\n${result.stderr}` : ''
    throw new Error(`${command} ${args.join(' ')}\nended with ${how}${said}`)
  }
  return typeof result.stdout === 'string' ? result.stdout : ''
}

/** The same, and answers what it printed. */
export function output(command: string, args: readonly string[], options: SpawnSyncOptions = {}): string {
  return run(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
}
