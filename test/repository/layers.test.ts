// The architecture as a test: the folders are the layers, and imports point down only, never in a circle.

import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)

/** The folders of lib/ from the top down. A file imports from its own folder and from folders below. */
const LAYERS = [
  'cli',
  'cli/commands',
  'cli/bench',
  'cli/top',
  'cli/doctor',
  'cli/kit',
  'bridge',
  'metrics',
  'lmdb',
  'swarm',
  'swarm/exchange',
  'swarm/protocol',
  'swarm/alerts',
  'swarm/peers',
  'swarm/facts',
  'delivery',
  'delivery/sender',
  'delivery/receiver',
  'delivery/protocol',
  'stats',
  'services',
  'spool',
  'systemd',
  'endpoints',
  'connection',
  'wire',
  'message',
  'observe',
  'peer',
  'binding',
  'base',
]

/** The folders of native/ from the top down; the operating systems include the contract, and only their own kind. */
const NATIVE_LAYERS = [
  'node',
  'admission',
  'readiness',
  'frames',
  'platform/linux',
  'platform/darwin',
  'platform/win32',
  'platform/posix',
  'platform',
  'abi',
]

/** What only the build chooses: nothing above may include a header of theirs. */
const SYSTEMS = /^platform\/(linux|darwin|win32|posix)$/

function source(path: string): string {
  return readFileSync(new URL(path, root), 'utf8')
}

function filesBelow(folder: string, pattern: RegExp): string[] {
  return readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => pattern.test(file))
    .sort()
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1] ?? '')
}

describe('lib', () => {
  const files = filesBelow('lib/', /\.ts$/)
  const inFolders = files.filter((file) => file.includes('/'))
  const layerOf = (file: string): number => LAYERS.indexOf(posix.dirname(file))
  const importsOf = (file: string): string[] =>
    matches(source(`lib/${file}`), /(?:from|import) ?\(?'(\.[^']+)\.js'/g).map((path) =>
      posix.join(posix.dirname(file), `${path}.ts`),
    )

  it('has index.ts alone on its ground floor, which only re-exports', () => {
    expect(files.filter((file) => !file.includes('/'))).toEqual(['index.ts'])
    const statements = source('lib/index.ts').replace(/^\/\/.*$/gm, '')
    expect(statements.replace(/export (type )?(\*|\{[^}]*\}) from '[^']+'/g, '').trim()).toBe('')
  })

  it.each(inFolders)('%s lies in a layer', (file) => {
    expect(layerOf(file)).toBeGreaterThanOrEqual(0)
  })

  it.each(inFolders)('%s imports from its own folder or below', (file) => {
    for (const imported of importsOf(file)) {
      expect(layerOf(imported), `${file} imports ${imported}`).toBeGreaterThanOrEqual(layerOf(file))
    }
  })

  it('has no circle of imports, not even of types', () => {
    const circles: string[] = []
    const visited = new Set<string>()
    const follow = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
      if (visited.has(file)) return
      visited.add(file)
      for (const imported of importsOf(file)) follow(imported, [...path, file])
    }
    for (const file of files) follow(file, [])
    expect(circles).toEqual([])
  })

  it.each(files)('%s says its job in its first line', (file) => {
    expect(source(`lib/${file}`)).toMatch(/^\/\/ \S/)
  })
})

describe('native', () => {
  const files = filesBelow('native/', /\.(cc|h)$/)
  const layerOf = (file: string): number => NATIVE_LAYERS.indexOf(posix.dirname(file))

  it.each(files)('%s lies in a layer', (file) => {
    expect(layerOf(file)).toBeGreaterThanOrEqual(0)
  })

  it.each(files)('%s includes from its own folder or below', (file) => {
    const folder = posix.dirname(file)
    for (const included of matches(source(`native/${file}`), /#include "([^"]+)"/g)) {
      if (included === 'simdjson.h') continue
      expect(layerOf(included), `${file} includes ${included}`).toBeGreaterThanOrEqual(layerOf(file))
      const of = posix.dirname(included)
      if (!SYSTEMS.test(of) || of === folder) continue
      expect([of, folder], `${file} includes ${included}`).toEqual([
        'platform/posix',
        expect.stringMatching(/^platform\/(linux|darwin)$/),
      ])
    }
  })

  it('knows Node-API in node/ only', () => {
    const knowing = files.filter((file) => /napi|node_api/.test(source(`native/${file}`)))
    expect(knowing.filter((file) => !file.startsWith('node/'))).toEqual([])
  })

  it('has the same file names for the same job on each system', () => {
    const ofSystem = (system: string): string[] =>
      files.filter((file) => posix.dirname(file) === `platform/${system}`).map((file) => posix.basename(file))
    // What only one system has. Everything else has its counterpart: of Linux on macOS, of POSIX on Windows.
    const alone = ['control_group.cc', 'control_group.h', 'glibc.cc', 'glibc.h']
    expect(ofSystem('linux').filter((file) => !alone.includes(file))).toEqual(ofSystem('darwin'))
    const shared = ofSystem('posix').filter((file) => ofSystem('win32').includes(file))
    expect(shared).toEqual(['client.cc', 'file_directory.cc', 'notify.cc', 'server.cc'])
  })

  it('keeps frames/ free of the operating system', () => {
    const platform = files.filter(
      (file) => file.startsWith('frames/') && source(`native/${file}`).includes('"platform/'),
    )
    expect(platform).toEqual([])
  })

  it('keeps POSIX out of the platform contract', () => {
    expect(source('native/platform/platform.h')).not.toMatch(
      /#if(def)? (?!SENTINEL)|sys\/|unistd|\bpid_t\b|\buid_t\b|windows\.h|\bHANDLE\b(?! on Windows)|\bDWORD\b/,
    )
  })
})
