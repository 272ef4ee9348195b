// Runs a command to its end and fails loudly.

import { spawn, spawnSync, type SpawnSyncOptions } from 'node:child_process'
import { once } from 'node:events'

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
    // Linters and test runners print what is wrong on standard output.
    const said = [result.stdout, result.stderr].filter((text) => typeof text === 'string' && text !== '')
    throw new Error([`${command} ${args.join(' ')}`, `ended with ${how}`, ...said].join('\n'))
  }
  return typeof result.stdout === 'string' ? result.stdout : ''
}

/** Runs a command to its end. Returns what it printed. */
export function output(command: string, args: readonly string[], options: SpawnSyncOptions = {}): string {
  return run(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
}

/** Runs a command beside others. Its output appears at its end, so that outputs do not mix. */
export async function runBeside(command: string, args: readonly string[], cwd: string): Promise<void> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const said: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => said.push(bytes))
  let end: unknown[]
  try {
    end = await once(child, 'close')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${command} cannot run: ${why}`, { cause })
  }
  const text = Buffer.concat(said).toString()
  const [status, signal] = end as [number | null, string | null]
  if (status !== 0) {
    throw new Error(
      `${command} ${args.join(' ')}\nended with ${signal ?? `exit code ${status ?? '?'}`}\n${text}`,
    )
  }
  if (text !== '') console.log(text)
}
