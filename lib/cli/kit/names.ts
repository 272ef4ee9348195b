// The names of listeners that exist, for a name that has none: a slip of the fingers is found where it was made.

import { readdirSync } from 'node:fs'

import { nearestOf } from '../../base/options.js'

const SUFFIX = '.sock'
/** What the sockets of a process that exposes its counts end with. */
export const STATS_SUFFIX = '.stats.sock'

/** The nearest name to one without a listener, in the directory where that was looked for; undefined if none is near. */
export function nearestName(
  name: string,
  directory: string | undefined,
  env: NodeJS.ProcessEnv,
  suffix = SUFFIX,
): string | undefined {
  const given = directory ?? env['SENTINEL_IPC_DIRECTORY'] ?? ''
  const [where, prefix] = given === '' ? ['/tmp', 'sentinel-'] : [given, '']
  const names = list(where)
    .filter((file) => file.startsWith(prefix) && file.endsWith(suffix))
    .filter((file) => suffix === STATS_SUFFIX || !file.endsWith(STATS_SUFFIX))
    .map((file) => file.slice(prefix.length, -suffix.length))
  return nearestOf(
    name,
    names.filter((other) => other !== name && /^[\w.-]+$/.test(other)),
  )
}

function list(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
