// Examines whether the library can run here: the version of Node, its flags, and the binary of the addon.

import { describeError } from '../../base/errors.js'
import { loadLibrary, type Library } from '../kit/load.js'
import type { Report } from './report.js'

/** The oldest Node that the package supports. */
const LEAST: readonly [number, number] = [20, 19]

interface Permissions {
  has(scope: string, reference?: string): boolean
}

/** Loads the library, or reports why it does not load. */
export async function examineRuntime(report: Report): Promise<Library | undefined> {
  const { version, versions, platform, arch } = process
  report.add('node', `${version}, ${platform} ${arch}, ${libcName()}`)
  const foreign = ['bun', 'deno'].find((name) => versions[name] !== undefined)
  const [major = 0, minor = 0] = (versions.node ?? '').split('.').map(Number)
  if (foreign !== undefined || major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1])) {
    report.blame(
      'runtime',
      `this is ${foreign ?? `Node ${version}`}, and sentinel-ipc needs Node.js ${LEAST.join('.')} or newer`,
      `run it with Node.js ${LEAST.join('.')} or newer`,
    )
  }
  const { permission } = process as unknown as { permission?: Permissions }
  if (permission !== undefined) report.add('permissions', "Node's permission model is on", 'note')
  try {
    const library = await loadLibrary()
    report.add('binary', binaryPath() ?? 'loaded')
    return library
  } catch (error) {
    blameLoading(report, error)
    return undefined
  }
}

function libcName(): string {
  if (process.platform !== 'linux') return `Node-API ${process.versions['napi'] ?? '?'}`
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  const libc = header?.glibcVersionRuntime === undefined ? 'musl' : `glibc ${header.glibcVersionRuntime}`
  return `${libc}, Node-API ${process.versions['napi'] ?? '?'}`
}

/** Returns the path of the addon among the files that the process has loaded. */
function binaryPath(): string | undefined {
  const { sharedObjects } = process.report.getReport() as { sharedObjects?: readonly string[] }
  return sharedObjects?.find((path) => /sentinel[-_]ipc[^/\\]*\.node$/.test(path))
}

function blameLoading(report: Report, error: unknown): void {
  const text = describeError(error)
  const cause = (error as { cause?: { code?: string } }).cause
  report.add('binary', text, 'bad')
  if (cause?.code === 'ERR_DLOPEN_DISABLED' || text.includes('addons is disabled')) {
    const flag = (process as unknown as { permission?: Permissions }).permission === undefined
    report.blame(
      'no-addons',
      'this Node loads no native addons, and sentinel-ipc is one',
      flag
        ? 'start Node without --no-addons (look into NODE_OPTIONS too)'
        : "add --allow-addons to Node's permission flags (look into NODE_OPTIONS too)",
    )
  } else if (text.includes('No native build was found')) {
    report.blame(
      'no-binary',
      'the package has no binary for this system',
      "install the package again with all its files, or make a binary: 'npm ci && npm run prebuild' in a checkout",
    )
  } else {
    report.blame(
      'bad-binary',
      `the binary of the package does not load: ${text.slice(0, 200)}`,
      'install the package again on this machine: the files may come from another system, or be incomplete',
    )
  }
}
