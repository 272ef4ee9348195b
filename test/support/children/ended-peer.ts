// Listens on descriptor 3, in whose queue a connection waits already, with the policy of its argument. Reports once whether the
// peer was let in, and ends.

import { listen, type PeerPolicy } from 'sentinel-ipc'
import { subscribe } from 'node:diagnostics_channel'

const policy = JSON.parse(process.argv[2] ?? '{}') as PeerPolicy

function report(said: object): void {
  console.log(JSON.stringify(said))
  process.exit()
}

subscribe('sentinel-ipc:reject', (event) => {
  const { reason, peer } = event as { reason: string; peer: object }
  report({ refused: reason, ...peer })
})
const listener = await listen('ended', { fd: 3, policy })
const { peer } = await listener.accept()
report({ accepted: true, ...peer })
