// Terminates worker threads in the middle of one function of the addon, again and again, at a random time. The process
// survives, or the test sees how it ended.

import { createRequire } from 'node:module'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { isMainThread, parentPort, threadId, Worker, workerData } from 'node:worker_threads'

import { Progress, RecordWord } from '../../../lib/binding/abi.js'
import {
  FileAccess,
  type addon as Addon,
  type NativeLimits,
  type NativePolicy,
} from '../../../lib/binding/addon.js'

const root = new URL('../../../..', import.meta.url).pathname
const load = (): typeof Addon => {
  const require = createRequire(import.meta.url)
  return (require('node-gyp-build') as (root: string) => typeof Addon)(root)
}

interface Order {
  readonly name: string
  readonly directory: string
  readonly rounds: number
}

const self = process.geteuid?.() ?? 0
const policy: NativePolicy = {
  users: Uint32Array.of(self),
  groups: Uint32Array.of(0, 1, 2, 3),
  executables: [process.execPath],
  units: [],
  labels: [],
  sids: [],
  foreignNamespaces: false,
}
const strangers: NativePolicy = { ...policy, users: Uint32Array.of(4_000_000), groups: Uint32Array.of() }
const limits: NativeLimits = {
  backlog: 16,
  maxConnections: 64,
  maxConnectionsPerUser: 64,
  maxNewPerSecondPerUser: 0,
  maxQueued: 16,
  throttleRefusals: false,
}

/** One call of each function, with all that it needs; called in a loop. */
function callsOf(addon: typeof Addon, { directory }: Order): Record<string, () => () => unknown> {
  const path = join(directory, `${process.pid}-${threadId}.sock`)
  const plain = join(directory, 'plain.sock')
  const bytes = Buffer.alloc(1 << 16)
  const lines = Buffer.from('{"type":"soc_event","payload":1}\n'.repeat(100))
  const attach = (): void => {
    addon.attachRecords(new Int32Array(RecordWord.count * 64), new Int32Array(Progress.count))
    addon.attachWindow(Buffer.alloc(1 << 18))
    addon.openReader(0, 1 << 16)
  }
  const at = {
    path,
    createDirectory: false,
    sharedDirectory: false,
    groupAccess: false,
    publicAccess: false,
    group: null,
  }
  const acceptor = (who: NativePolicy) => new addon.Acceptor(at, who, limits)
  const tried = (call: () => unknown): unknown => {
    try {
      return call()
    } catch (error) {
      return error
    }
  }
  /** Again while the backlog is full: the main thread may not have accepted for a while. */
  const connected = (): number => {
    for (;;) {
      const client = tried(() => addon.connect(plain, { ...policy, executables: [] }))
      if (typeof client === 'object' && client !== null && 'descriptor' in client)
        return client.descriptor as number
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
  const close = (descriptor: number): void => {
    addon.readiness?.close(descriptor)
  }
  const withAcceptor =
    (who: NativePolicy, call: (made: InstanceType<typeof addon.Acceptor>) => unknown) => () => {
      const made = acceptor(who)
      return () => {
        for (let i = 0; i < 4; ++i)
          tried(() => {
            close((addon.connect(path, policy) as { descriptor: number }).descriptor)
          })
        return call(made)
      }
    }
  return {
    abi: () => () => addon.abi(),
    Acceptor: () => () => {
      acceptor(policy).stop()
    },
    'Acceptor.take': withAcceptor(policy, (made) => {
      for (const client of made.take(16)) {
        close(client.descriptor)
        made.release(client.uid ?? client.sid)
      }
    }),
    'Acceptor.takeRefusals': withAcceptor(strangers, (made) => made.takeRefusals(true)),
    'Acceptor.stats': withAcceptor(policy, (made) => made.stats()),
    'Acceptor.boundFile': withAcceptor(policy, (made) => made.boundFile()),
    'Acceptor.takeNotifyDescriptor': () => () => {
      const made = acceptor(policy)
      // The second one throws. The first is left without an owner, on purpose.
      const taken = [made.takeNotifyDescriptor(), tried(() => made.takeNotifyDescriptor())]
      made.stop()
      return taken
    },
    'Acceptor.restart': () => () => {
      const made = acceptor(policy)
      const taken = [
        tried(() => {
          made.restart(at, policy, limits)
        }),
        made.takeNotifyDescriptor(),
      ]
      made.stop()
      made.restart(at, policy, limits)
      taken.push(made.takeNotifyDescriptor())
      made.stop()
      return taken
    },
    PeerWatcher: () => () => {
      const watcher = new addon.PeerWatcher()
      const descriptor = connected()
      const state = watcher.watch(1, descriptor)
      watcher.forget(1)
      close(descriptor)
      return [state, watcher.takeNotifyDescriptor()]
    },
    connect: () => () => {
      close(connected())
      return [
        tried(() => addon.connect(plain, strangers)),
        tried(() => addon.connect(`${plain}-not-there`, policy)),
        tried(() => (addon.connect as (path: unknown, policy: unknown) => unknown)(1, 2)),
      ]
    },
    findGone: () => () => addon.findGone(Int32Array.of(-1, 0, 1, 2, -1)),
    sendDatagram: () => () =>
      tried(() => {
        addon.sendDatagram('@sentinel-ipc-no-such-name', 'READY=1')
      }),
    addressOf: () => () => addon.addressOf(0),
    fileAt: () => () => [plain, `${plain}-not-there`, ''].map((path) => addon.fileAt(path)),
    resolveUser: () => () => [addon.resolveUser('root'), addon.resolveUser('no-such-user')],
    resolveGroup: () => () => [addon.resolveGroup('root'), addon.resolveGroup('no-such-group')],
    resolveSid: () => () => tried(() => addon.resolveSid('x')),
    ownUser: () => () => addon.ownUser(),
    layOutFrames: () => {
      const words = Int32Array.of(1, 0, 0, 0, 0, 0)
      return () => [
        addon.layOutFrames(bytes, 0, '1', words, 1),
        tried(() => addon.layOutFrames(bytes, 0, 'x'.repeat(1 << 16), words, 1)),
      ]
    },
    numberLines: () => {
      const out = new Uint8Array(2 * lines.length + 4096)
      return () => addon.numberLines(lines, lines.length, out, 0, 1)
    },
    checkFrames: () => () => addon.checkFrames(lines, 0, lines.length, 1 << 16),
    writeBatch: () => {
      const descriptor = connected()
      return () => [addon.writeBatch(descriptor, lines, 0, lines.length), addon.writeBatch(-1, lines, 0, 1)]
    },
    attachRecords: () => () =>
      tried(() => {
        addon.attachRecords(new Int32Array(RecordWord.count), new Int32Array(Progress.count))
      }),
    attachFieldRows: () => {
      attach()
      return () =>
        tried(() => {
          addon.attachFieldRows(new Int32Array(33))
        })
    },
    attachWindow: () => {
      attach()
      return () => {
        addon.attachWindow(Buffer.alloc(1 << 16))
      }
    },
    openReader: () => {
      attach()
      return () => {
        addon.openReader(1, 100)
        tried(() => {
          addon.openReader(1, 0)
        })
        tried(() => {
          addon.openReader(1, 100, ['/a', '/b/0', ''])
        })
      }
    },
    closeReader: () => () => {
      addon.closeReader(1)
    },
    beginTurn: () => {
      attach()
      return () => {
        addon.beginTurn()
      }
    },
    readRecords: () => {
      attach()
      const descriptor = connected()
      addon.openReader(descriptor, 1 << 16)
      return () => addon.readRecords(descriptor)
    },
    pushRecords: () => {
      attach()
      return () => addon.pushRecords(0, lines, lines.length)
    },
    moreRecords: () => {
      attach()
      return () => addon.moreRecords(0)
    },
    finishRecords: () => {
      attach()
      return () => addon.finishRecords(0)
    },
    readiness: () => {
      attach()
      const descriptor = connected()
      addon.openReader(descriptor, 1 << 16)
      addon.readiness?.start(() => undefined, new Int32Array(4))
      return () => {
        addon.readiness?.want(descriptor, true, Math.random() < 0.5)
        addon.readiness?.want(descriptor, false, false)
        addon.readiness?.keepAlive(descriptor, false)
        tried(() => addon.readiness?.want(-1, true, true))
        tried(() => addon.readiness?.start(() => undefined, new Int32Array(4)))
      }
    },
    suspendRecords: () => {
      attach()
      return () => {
        addon.suspendRecords(0)
      }
    },
    sinceBoot: () => () => [addon.millisecondsSinceBoot(), addon.bootId()],
    // Work of the thread pool, and the promises of it.
    files: () => {
      const file = `file-${process.pid}-${threadId}`
      void (async () => {
        for (;;) {
          const opened = await addon.openDirectory(directory, false, '')
          const descriptor = await addon.openFile(opened, file, FileAccess.create).catch(() => -1)
          await Promise.all([addon.listDirectory(opened), addon.syncDirectory(opened)])
          if (descriptor >= 0) addon.closeFile(descriptor)
          await addon.renameFile(opened, file, `${file}-renamed`).catch(() => undefined)
          await addon.checkFile(opened, `${file}-renamed`).catch(() => undefined)
          await addon.renameFile(opened, `${file}-renamed`, file).catch(() => undefined)
          await addon.removeFile(opened, file).catch(() => undefined)
          addon.closeDirectory(opened)
        }
      })().catch(() => undefined)
      return () => undefined
    },
    // The callback itself is where the worker is: the other end never stops sending.
    'readiness.start': () => {
      attach()
      const descriptor = connected()
      addon.openReader(descriptor, 1 << 16)
      addon.readiness?.start(() => addon.abi(), Int32Array.of(1000, 1, 0, 0))
      addon.readiness?.want(descriptor, true, true)
      return () => undefined
    },
  }
}

/** Workers under way at once. */
const AT_ONCE = 3
/** The most that a worker gets to work, after it has begun or, half of the time, after it was made. */
const MOST_MS = 12

async function terminateOften(order: Order): Promise<void> {
  let left = order.rounds
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const worker = new Worker(new URL(import.meta.url), { workerData: order })
      const failed = new Promise<never>((_, reject) => worker.once('error', reject))
      const begun = new Promise((resolve) => worker.once('message', resolve))
      if (left % 4 !== 0) await Promise.race([begun, failed])
      await Promise.race([new Promise((resolve) => setTimeout(resolve, Math.random() * MOST_MS)), failed])
      failed.catch(() => undefined)
      await worker.terminate()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
}

/** Sends without end, and reads nothing. */
function chatter(path: string): Promise<Server> {
  const line = Buffer.from('{"type":"soc_event","payload":1}\n'.repeat(20))
  const server = createServer((socket) => {
    const send = (): void => {
      while (!socket.destroyed && socket.write(line));
    }
    socket.on('error', () => undefined).on('drain', send)
    send()
  })
  return new Promise((resolve) => {
    server.listen(path, () => {
      resolve(server)
    })
  })
}

if (isMainThread) {
  const order = JSON.parse(process.argv[2] ?? '{}') as Order
  // Loaded here too, so that the last worker does not unload it each time.
  const names = Object.keys(callsOf(load(), order))
  const server = await chatter(join(order.directory, 'plain.sock'))
  process.send?.({ names, exported: Object.keys(load()) })
  for (const name of order.name === '' ? [] : [order.name]) await terminateOften({ ...order, name })
  server.close()
  process.send?.('survived')
  process.disconnect()
} else {
  const order = workerData as Order
  const call = callsOf(load(), order)[order.name]?.()
  parentPort?.postMessage('begun')
  if (order.name === 'readiness.start' || order.name === 'files') setInterval(() => undefined, 1000)
  else for (;;) call?.()
}
