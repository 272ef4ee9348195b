// The other process of bench: does its part of one workload, and exits when its connection ends.

import { connect, type Socket } from 'node:net'

import { loadLibrary } from '../kit/load.js'
import { echoNet, echoOurs, streamNet, streamOurs, type Workload } from './workloads.js'

/** The environment variable that makes the command run as this other process. */
export const PEER_VARIABLE = 'SENTINEL_IPC_BENCH_PEER'

export async function runPeer(order: string): Promise<void> {
  const workload = JSON.parse(order) as Workload
  if (workload.kind === 'ours') {
    const library = await loadLibrary()
    const connection = await library.dial('bench', { path: workload.address })
    if (workload.what === 'stream') await streamOurs(library, connection, workload)
    else await echoOurs(library, connection)
  } else {
    const socket = await connected(workload.address)
    if (workload.what === 'stream') await streamNet(socket, workload)
    else await echoNet(socket)
  }
}

function connected(address: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(address)
    socket.once('error', reject)
    socket.once('connect', () => {
      resolve(socket)
    })
  })
}
