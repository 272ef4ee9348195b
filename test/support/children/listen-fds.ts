// Says what listenFds() gives it, serves the first descriptor, and says which descriptors a child process inherits.

import { spawnSync } from 'node:child_process'

import { listen, listenFds, serve } from 'sentinel-ipc'

const say = (what: object): void => {
  console.log(JSON.stringify(what))
}
try {
  const found = listenFds(process.argv[2] === 'keep' ? { unset: false } : {})
  const { stdout } = spawnSync('sh', ['-c', 'ls /proc/$$/fd'], { encoding: 'utf8' })
  const inherited = stdout.split('\n').filter((fd) => found.some((one) => String(one.fd) === fd))
  const left = Object.keys(process.env).filter((name) => name.startsWith('LISTEN_'))
  say({ found, inherited, left, again: listenFds().length })
  const [first] = found
  if (first !== undefined) {
    const server = serve(await listen(first.name, { fd: first.fd }), (connection) => connection.whenClosed())
    process.stdin.resume().once('end', () => void server.close())
    say({ serving: first.name })
  }
} catch (error) {
  say({ error: String(error) })
}
