// npm run sbom: the bill of materials of the package, CycloneDX 1.5, as dist/sbom.cdx.json: what is installed with it, from the
// lock file, and what is compiled into its binaries. The same commit always gives the same bytes.

import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

import { root } from './root.js'
import { output } from './run.js'

const require = createRequire(import.meta.url)

interface Component {
  readonly 'bom-ref': string
  readonly type: string
  readonly name: string
  readonly version: string
  readonly [key: string]: unknown
}

interface Dependency {
  readonly ref: string
  readonly dependsOn: readonly string[]
}

interface Bom {
  readonly metadata: { readonly component: Component; readonly [key: string]: unknown }
  readonly components: readonly Component[]
  readonly dependencies: readonly Dependency[]
  readonly [key: string]: unknown
}

/** Packages whose sources are compiled into the binaries, and the files that are. */
const COMPILED_IN: Readonly<Record<string, { files: readonly string[]; license: string; upstream: string }>> =
  {
    '@nozbe/simdjson': {
      files: ['src/simdjson.cpp', 'src/simdjson.h'],
      license: 'Apache-2.0 AND BSD-3-Clause AND MIT AND BSL-1.0',
      upstream: 'https://github.com/simdjson/simdjson',
    },
    'node-addon-api': {
      files: ['napi.h', 'napi-inl.h'],
      license: 'MIT',
      upstream: 'https://github.com/nodejs/node-addon-api',
    },
  }

/** The sources of a package that are compiled in, with the hash of each. */
function compiledIn(name: string): Component {
  const folder = dirname(require.resolve(`${name}/package.json`))
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
  const { files, license, upstream } = COMPILED_IN[name] as (typeof COMPILED_IN)[string]
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
  return {
    'bom-ref': `${name}@${version}`,
    type: 'library',
    name,
    version,
    scope: 'required',
    description: 'Compiled into the binaries; not installed with the package.',
    licenses: [{ expression: license }],
    purl,
    externalReferences: [{ type: 'vcs', url: upstream }],
    components: files.map((file) => ({
      type: 'file',
      name: file,
      hashes: [{ alg: 'SHA-256', content: sha256(readFileSync(join(folder, file))) }],
    })),
  }
}

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The bill of materials as JSON text. */
export function billOfMaterials(): string {
  const options = ['--sbom-format', 'cyclonedx', '--sbom-type', 'library', '--package-lock-only']
  const omitted = ['dev', 'optional', 'peer'].flatMap((kind) => ['--omit', kind])
  const installed = JSON.parse(output('npm', ['sbom', ...options, ...omitted], { cwd: root })) as Bom
  const compiled = Object.keys(COMPILED_IN).map(compiledIn)
  const { component } = installed.metadata
  const own = component['bom-ref']
  const bom = {
    ...installed,
    // npm names the folder of the checkout, and the moment.
    metadata: { component: { ...component, name: 'sentinel-ipc' } },
    components: [...installed.components, ...compiled],
    dependencies: [
      ...installed.dependencies.map(({ ref, dependsOn }) => ({
        ref,
        dependsOn: ref === own ? [...dependsOn, ...compiled.map((one) => one['bom-ref'])] : dependsOn,
      })),
      ...compiled.map((one) => ({ ref: one['bom-ref'], dependsOn: [] })),
    ],
    serialNumber: undefined,
  }
  // A number that follows from the content (RFC 9562, version 8), instead of a random one.
  const hash = sha256(JSON.stringify(bom))
  const uuid = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-a${hash.slice(17, 20)}-${hash.slice(20, 32)}`
  return `${JSON.stringify({ ...bom, serialNumber: `urn:uuid:${uuid}` }, undefined, 2)}\n`
}

if (process.argv[1]?.endsWith('sbom.js') === true) {
  mkdirSync(join(root, 'dist'), { recursive: true })
  writeFileSync(join(root, 'dist/sbom.cdx.json'), billOfMaterials())
  console.log('dist/sbom.cdx.json')
}
