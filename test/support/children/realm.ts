// Evaluates the bundled package in two contexts of node:vm, one after the other, as jest does for its test files: each has
// its own Error, Array and Promise. Says what a program in each of them would see. Wants --experimental-vm-modules.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import vm from 'node:vm'

type Api = typeof import('sentinel-ipc')

const entry = new URL('../../../../dist/index.js', import.meta.url).href
const nodeRequire = createRequire(import.meta.url)

async function evaluate(context: vm.Context): Promise<Api> {
  const modules = new Map<string, vm.Module>()
  const load = (url: string): vm.Module => {
    const known = modules.get(url)
    if (known !== undefined) return known
    const module = url.startsWith('file:')
      ? new vm.SourceTextModule(readFileSync(new URL(url), 'utf8'), {
          context,
          identifier: url,
          initializeImportMeta: (meta) => {
            meta.url = url
          },
        })
      : builtin(url)
    modules.set(url, module)
    return module
  }
  const builtin = (name: string): vm.Module => {
    const exported = nodeRequire(name) as Record<string, unknown>
    return new vm.SyntheticModule(
      [...new Set([...Object.keys(exported), 'default'])],
      function (this: vm.SyntheticModule) {
        for (const key of Object.keys(exported)) this.setExport(key, exported[key])
        this.setExport('default', exported)
      },
      { context },
    )
  }
  const main = load(entry)
  await main.link((specifier, referrer) =>
    load(specifier.startsWith('.') ? new URL(specifier, referrer.identifier).href : specifier),
  )
  await main.evaluate()
  return main.namespace as Api
}

async function tryOut(directory: string): Promise<object> {
  const { AbortController, AbortSignal, Buffer, clearTimeout, performance, process } = globalThis
  const { queueMicrotask, setImmediate, setTimeout } = globalThis
  const realm = {
    ...{ AbortController, AbortSignal, Buffer, clearTimeout, performance, process },
    ...{ queueMicrotask, setImmediate, setTimeout },
  }
  const api = await evaluate(vm.createContext(realm))
  const codeOf = async (failing: Promise<unknown>): Promise<unknown> => {
    const error = await failing.then(
      () => undefined,
      (caught: unknown) => caught,
    )
    return { code: (error as { code?: string }).code, isIpcError: error instanceof api.IpcError }
  }
  const notListening = await codeOf(api.dial('nothing', { directory }))
  const listener = await api.listen('realm', { directory })
  const inUse = await codeOf(api.listen('realm', { directory }))
  const late = await api.dialWithRetry('realm', 1, { directory })
  const server = await listener.accept()
  await new api.Sender(late, 's').send(api.newSOCMessage('t', { a: 1 }))
  const { value } = await new api.Receiver(server, 'r').next()
  server.destroy()
  late.destroy()
  listener.close()
  return { notListening, inUse, payload: JSON.stringify((value as { payload: unknown }).payload) }
}

const { directory } = JSON.parse(process.argv[2] ?? '{}') as { directory: string }
process.send?.([await tryOut(directory), await tryOut(directory)])
process.disconnect()
