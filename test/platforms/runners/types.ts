// The declarations of the package under old and new TypeScript: each way to resolve modules, with and without skipLibCheck.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'

import { root } from '../../../release/root.js'
import { install, makeProject } from './place.js'

/** Lines of TypeScript, from the oldest that the declarations are for. */
export const VERSIONS: readonly string[] = ['5.0', '5.5', '5.9', 'newest']

/** A user's source. The type errors that it expects show that the declarations are not `any`. */
const SOURCE = `
import { Receiver, SOCMessage, listen, type Connection, type IpcErrorCode } from 'sentinel-ipc'
import { LmdbFactStore } from 'sentinel-ipc/lmdb'
export async function first(connection: Connection): Promise<string | undefined> {
  const { value } = await new Receiver(connection, 'r').next()
  return value instanceof SOCMessage ? value.type : undefined
}
export const code: IpcErrorCode = 'ERR_IPC_CLOSED'
export const store: (path: string) => Promise<LmdbFactStore> = LmdbFactStore.open
// @ts-expect-error: a name is a string
void listen(42)
// @ts-expect-error: there is no such code
export const none: IpcErrorCode = 'ERR_IPC_NONE'
`

/** Module, resolution of modules, and files. */
const WAYS = [
  ['node16', 'node16', ['typed.mts', 'typed.cts']],
  ['nodenext', 'nodenext', ['typed.mts', 'typed.cts']],
  ['esnext', 'bundler', ['typed.ts']],
] as const

export function checkTypes(line: string): void {
  const compiler = install('typescript', line === 'newest' ? '*' : line)
  const folder = makeProject(`typescript ${line}`, { '@types/node': join(root, 'node_modules/@types/node') })
  for (const file of new Set(WAYS.flatMap(([, , files]) => files))) writeFileSync(join(folder, file), SOURCE)
  const errors = WAYS.flatMap(([module, moduleResolution, files]) =>
    [true, false].flatMap((skipLibCheck) => {
      const given = { module, moduleResolution, skipLibCheck, strict: true, noEmit: true, target: 'es2022' }
      const compilerOptions = { ...given, lib: ['es2022'], types: ['node'] }
      const config = join(folder, `tsconfig.${moduleResolution}.${skipLibCheck ? 'skip' : 'check'}.json`)
      writeFileSync(config, JSON.stringify({ compilerOptions, files }))
      return errorsOf(compiler, config, folder).map((error) => `  ${moduleResolution}: ${error}`)
    }),
  )
  if (errors.length > 0) throw new Error(errors.join('\n'))
}

/** Returns the errors, except those in Node's own declarations, which need not fit an old compiler. */
function errorsOf(compiler: string, config: string, folder: string): string[] {
  const args = [join(compiler, 'bin/tsc'), '--pretty', 'false', '--project', config]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
  const errors = stdout
    .split('\n')
    .filter((text) => /error TS\d+/.test(text) && !/@types\/node\/|undici-types\//.test(text))
  const told = /error TS\d+/.test(stdout)
  return status !== 0 && !told ? [`tsc ended with ${status ?? 'a signal'}: ${stdout}${stderr}`] : errors
}
