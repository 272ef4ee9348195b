// Evaluates the package in two contexts of node:vm, one after the other, as jest does for its test files: each has its own
// Error, Array and Promise. Reports what a program in each of them sees.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import vm from 'node:vm'

type Api = typeof import('sentinel-ipc')

const entry = fileURLToPath(new URL('../../../../dist/index.cjs', import.meta.url))
const nodeRequire = createRequire(import.meta.url)

function evaluate(parsingContext: vm.Context): Api {
  const modules = new Map<string, { exports: unknown }>()
  const load = (filename: string): unknown => {
    const known = modules.get(filename)
    if (known !== undefined) return known.exports
    const module = { exports: {} }
    modules.set(filename, module)
    const parameters = ['exports', 'require', 'module', '__filename', '__dirname']
    const run = vm.compileFunction(readFileSync(filename, 'utf8'), parameters, {
      parsingContext,
      filename,
    }) as (...values: unknown[]) => void
    const require = (specifier: string): unknown =>
      specifier.startsWith('.') ? load(join(dirname(filename), specifier)) : nodeRequire(specifier)
    run(module.exports, require, module, filename, dirname(filename))
    return module.exports
  }
  return load(entry) as Api
}

async function tryOut(directory: string): Promise<object> {
  const { AbortController, AbortSignal, Buffer, clearTimeout, performance, process } = globalThis
  const { queueMicrotask, setImmediate, setTimeout } = globalThis
  const realm = {
    ...{ AbortController, AbortSignal, Buffer, clearTimeout, performance, process },
    ...{ queueMicrotask, setImmediate, setTimeout },
  }
  const api = evaluate(vm.createContext(realm))
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
