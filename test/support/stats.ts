// Counts that a test exposes, and what a test looks for in them.

import { onTestFinished } from 'vitest'

import type { DialOptions } from '../../lib/connection/dial.js'
import type { ConnectionSnapshot, StatsSnapshot } from '../../lib/stats/snapshot.js'
import { exposeStats, type StatsServer } from '../../lib/stats/stats-server.js'
import { temporaryDirectory } from './directory.js'

/** Exposes the counts of this process as `service` until the test ends. The options are those to read them with. */
export async function exposed(
  directory = temporaryDirectory(),
): Promise<{ server: StatsServer; options: DialOptions }> {
  const server = await exposeStats('service', { directory })
  onTestFinished(() => server.close())
  return { server, options: { directory } }
}

/** The connections of a snapshot at an address. */
export function connectionsAt(snapshot: StatsSnapshot, address: string): readonly ConnectionSnapshot[] {
  return snapshot.connections.filter((connection) => connection.address === address)
}
