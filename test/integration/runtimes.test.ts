// Runtimes other than Node: the package says that it does not work there, in an error that can be caught, and the addon
// itself asks for no function of libuv's that a program must have.

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)

function importUnder(versions: object): unknown {
  const preset = `Object.defineProperty(process, 'versions', { value: { ...process.versions, ...${JSON.stringify(versions)} } })`
  return importWith('--import', `data:text/javascript,${encodeURIComponent(preset)}`)
}

/** What a program sees that imports the package in a Node with these options. */
function importWith(...options: string[]): unknown {
  const program = `import('sentinel-ipc').then(
    () => console.log('{}'), ({ name, code, message }) => console.log(JSON.stringify({ name, code, message })))`
  const args = ['--no-warnings', ...options, '--eval', program]
  return JSON.parse(execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' }))
}

describe('a runtime without the event loop of Node', () => {
  it.each([
    [{ bun: '1.4.5' }, 'Bun 1.4.5'],
    [{ deno: '2.9.6' }, 'Deno 2.9.6'],
  ])('that calls itself %j is refused when the package is loaded', (versions, name) => {
    expect(importUnder(versions)).toMatchObject({
      name: 'IpcError',
      code: 'ERR_IPC_SYSTEM',
      message: expect.stringContaining(`${name} does not have: run this program with Node.js`) as string,
    })
  })

  it('is not seen in Node', () => {
    expect(importUnder({})).toEqual({})
  })
})

describe('a Node that must load no addon', () => {
  // Its name until Node 22.13.
  const permission = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission'
  const refused = (text: string): object => ({
    name: 'IpcError',
    code: 'ERR_IPC_SYSTEM',
    message: expect.stringContaining(text) as string,
  })

  it('is told to start without --no-addons', () => {
    expect(importWith('--no-addons')).toMatchObject(refused('started with --no-addons. Remove that'))
  })

  it('is told to allow them in the permission model', () => {
    const told = `without --allow-addons. Add that, and --allow-fs-read for ${fileURLToPath(root).replace(/\/$/, '')}`
    expect(importWith(permission, '--allow-fs-read=*')).toMatchObject(refused(told))
    expect(importWith(permission, '--allow-fs-read=*', '--allow-addons')).toEqual({})
  })
})

describe.skipIf(process.platform === 'win32')('the addon', () => {
  it('loads where libuv is missing', () => {
    const addon = fileURLToPath(new URL('build/Release/sentinel_ipc.node', root))
    const symbols = execFileSync('nm', ['--dynamic', '--undefined-only', addon], { encoding: 'utf8' })
    const ofLibuv = [...symbols.matchAll(/ (\w) (uv_\w+)$/gm)].map(([, kind = '', name = '']) => [name, kind])
    expect(ofLibuv.length).toBeGreaterThan(5)
    expect(ofLibuv.filter(([, kind]) => kind !== 'w')).toEqual([])
  })
})
