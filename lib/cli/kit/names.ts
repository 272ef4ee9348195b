// Suggests the name of an existing listener for a mistyped one.

import { readdirSync } from 'node:fs'

import { nearestOf } from '../../base/options.js'

const SUFFIX = '.sock'
/** The end of the file names at which processes expose their counts. */
export const STATS_SUFFIX = '.stats.sock'

/** Returns the most similar name of a socket in the directory of `name`; undefined if no name is similar. */
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
