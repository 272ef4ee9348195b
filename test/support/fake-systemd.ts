// A service manager for tests, in Python: a datagram socket that reports each notification and its sender, and a
// starter that passes listening sockets.

import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

const RECEIVER = `
import json, os, socket, struct, sys
where = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind('\\0' + where[1:] if where.startswith('@') else where)
print('"bound"', flush=True)
if len(sys.argv) > 2: sys.stdin.readline()
while True:
    text, control, _, _ = s.recvmsg(8192, 64)
    pid = struct.unpack('iII', control[0][2])[0] if control else 0
    print(json.dumps({'text': text.decode(), 'pid': pid}), flush=True)
`

const STARTER = `
import json, os, socket, sys
order = json.loads(sys.argv[1])
high = []
for path in order['sockets']:
    s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(8)
    high.append(s.detach())
for i, fd in enumerate(high): os.dup2(fd, 100 + i)
for i in range(len(high)): os.dup2(100 + i, 3 + i); os.set_inheritable(3 + i, True)
env = dict(os.environ, **order['env'])
for key in order['own']: env[key] = str(os.getpid())
os.execve(order['program'][0], order['program'], env)
`

export interface Notification {
  readonly text: string
  readonly pid: number
}

export interface FakeManager {
  /** Returns the next notification. */
  next(): Promise<Notification>
  /** Begins to receive, if it was started not to. */
  receive(): void
}

/** Binds `address` (a path, or @name) and receives notifications there; with `later`, only after `receive`. */
export async function startManager(address: string, later = false): Promise<FakeManager> {
  const child = spawn('python3', ['-c', RECEIVER, address, ...(later ? ['later'] : [])], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<Notification> =>
    JSON.parse(String((await lines.next()).value)) as Notification
  await next()
  return {
    next,
    receive: () => {
      child.stdin.write('\n')
    },
  }
}

/** Starts Node with a program and its arguments, with listening sockets from descriptor 3 on, as systemd does. */
export function startActivated(
  sockets: readonly string[],
  program: readonly string[],
  env: Record<string, string> = {},
  own: readonly string[] = ['LISTEN_PID'],
): ChildProcess {
  const order = { sockets, program: [process.execPath, ...program], env, own }
  const child = spawn('python3', ['-c', STARTER, JSON.stringify(order)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}
