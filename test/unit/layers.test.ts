// The architecture as a test: imports point down only, and few files know the addon.

import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)

/**
 * From the top down. A file imports from layers below its own, never from its own or one above; files of a folder
 * (named with a slash) may import each other.
 */
const LAYERS = [
  ['index', 'lmdb/'],
  ['swarm/', 'delivery/'],
  ['buffered-sender', 'sender', 'receiver', 'dial', 'listener'],
  ['connection'],
  [
    'frame-writer',
    'frame-decoder',
    'audit',
    'timing',
    'peer-exit',
    'hangup-sweep',
    'silence-limit',
    'message-queue',
    'waiting-readers',
    'node-socket',
    'polled-socket',
  ],
  ['connection-socket'],
  ['read-window', 'frame-text'],
  ['new-message'],
  ['message'],
  ['peer'],
  [
    'native',
    'address',
    'envelope',
    'frame-layout',
    'frame-record',
    'message-id',
    'message-type',
    'payload',
    'process-start',
    'read-page',
    'slabs',
    'waiters',
    'busy-poll',
    'wake-up',
  ],
  ['errors', 'crypto'],
]
const KNOW_THE_ADDON = [
  'delivery/frame-check',
  'dial',
  'frame-text',
  'frame-writer',
  'listener',
  'peer',
  'peer-exit',
  'hangup-sweep',
  'node-socket',
  'polled-socket',
  'connection-socket',
  'read-window',
  'receiver',
  'connection',
  'audit',
]

function imports(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1] ?? '')
}

function source(path: string): string {
  return readFileSync(new URL(path, root), 'utf8')
}

describe('lib', () => {
  const files = readdirSync(new URL('lib/', root), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.replace(/\.ts$/, ''))
  const unitOf = (file: string): string => (file.includes('/') ? `${file.split('/')[0] ?? ''}/` : file)
  const layerOf = (file: string): number => LAYERS.findIndex((layer) => layer.includes(unitOf(file)))
  const importsOf = (file: string): string[] =>
    imports(source(`lib/${file}.ts`), /from '(\.[^']+)\.js'/g).map((path) =>
      posix.join(posix.dirname(file), path),
    )

  it('has a layer for each file', () => {
    for (const file of files) expect(layerOf(file), file).toBeGreaterThanOrEqual(0)
  })

  it.each(files)('%s imports from below only', (file) => {
    for (const imported of importsOf(file)) {
      if (file.includes('/') && unitOf(imported) === unitOf(file)) continue
      expect(layerOf(imported), `${file} imports ${imported}`).toBeGreaterThan(layerOf(file))
    }
  })

  it.each(files)('%s knows the addon only if it may', (file) => {
    if (importsOf(file).includes('native')) expect(KNOW_THE_ADDON).toContain(file)
  })

  it.each(files)('%s says its job in its first line', (file) => {
    expect(source(`lib/${file}.ts`)).toMatch(/^\/\/ \S/)
  })
})

describe('native', () => {
  // What each file may include besides its own header. node_* are the glue: they may include what they glue.
  const ALLOWED: Record<string, string[]> = {
    acceptor: ['connection_rate', 'peer_policy', 'platform'],
    byte_search: [],
    addon: [
      'node_acceptor',
      'node_environment',
      'node_frames',
      'node_peers',
      'node_readiness',
      'node_reading',
    ],
    connected_descriptors: ['platform'],
    connection_rate: [],
    escapes: [],
    frame_layout: ['frame_record'],
    darwin: ['platform', 'posix', 'posix_path'],
    darwin_peer: ['platform'],
    darwin_readiness: ['platform'],
    frame_reader: ['byte_search', 'frame_record', 'line_scanner'],
    frame_readers: ['frame_reader'],
    frame_record: [],
    line_checker: ['escapes', 'frame_record'],
    line_scanner: ['byte_search', 'line_checker', 'frame_record'],
    linux: ['platform', 'posix'],
    linux_files: ['platform', 'posix_path'],
    linux_glibc: [],
    linux_peer: ['platform'],
    linux_readiness: ['platform'],
    node_acceptor: ['acceptor', 'node_convert', 'node_environment'],
    node_convert: ['peer_policy', 'platform'],
    node_environment: ['connected_descriptors', 'frame_readers', 'line_scanner', 'platform'],
    node_frames: ['frame_layout', 'frame_record', 'node_convert', 'node_environment'],
    node_peers: ['node_convert', 'node_environment', 'peer_policy', 'peer_watcher'],
    node_readiness: ['node_convert', 'node_environment', 'node_ready_reader', 'poll_history'],
    node_reading: ['frame_readers', 'frame_record', 'node_convert', 'node_environment'],
    node_ready_reader: ['node_environment', 'node_reading'],
    peer_policy: ['platform'],
    peer_watcher: ['platform'],
    platform: [],
    poll_history: [],
    posix: ['platform', 'posix_claim', 'posix_path'],
    posix_accounts: ['platform'],
    posix_claim: ['platform', 'posix_path'],
    posix_path: ['platform'],
    posix_read: ['platform'],
    posix_thread: ['platform'],
    win32: ['platform'],
    win32_client: ['platform', 'win32', 'win32_pipe'],
    win32_delay_load: [],
    win32_identity: ['platform', 'win32', 'win32_sid'],
    win32_loop: ['platform', 'win32'],
    win32_pipe: ['platform', 'win32'],
    win32_server: ['platform', 'win32', 'win32_pipe'],
    win32_sid: ['platform', 'win32'],
    win32_wire: ['platform', 'win32', 'win32_pipe'],
  }
  const files = readdirSync(new URL('native/', root)).filter((file) => /\.(cc|h)$/.test(file))

  it.each(files)('%s includes only what it may', (file) => {
    const name = file.replace(/\.(cc|h)$/, '')
    expect(ALLOWED[name], `${file} has no layer`).toBeDefined()
    const allowed = [name, ...(ALLOWED[name] ?? [])]
    for (const included of imports(source(`native/${file}`), /#include "([^"]+)\.h"/g)) {
      if (included !== 'simdjson') expect(allowed, `${file} includes ${included}.h`).toContain(included)
    }
  })

  it('knows Node-API in the glue only', () => {
    const knowing = files.filter((file) => /napi|node_api/.test(source(`native/${file}`)))
    expect(knowing.filter((file) => !/^(addon\.cc|node_.*)$/.test(file))).toEqual([])
  })

  it('keeps POSIX out of the platform contract', () => {
    expect(source('native/platform.h')).not.toMatch(
      /#if(def)? (?!SENTINEL)|sys\/|unistd|\bpid_t\b|\buid_t\b|windows\.h|\bHANDLE\b(?! on Windows)|\bDWORD\b/,
    )
  })
})
