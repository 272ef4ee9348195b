// The documentation holds together: links lead somewhere, the files, commands and names that it mentions exist, every error
// code has its heading, the README stays short.

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)
const MOST_README_LINES = 250

const pages = [
  ...readdirSync(root).filter((file) => file.endsWith('.md')),
  ...readdirSync(new URL('docs/', root))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
  ...['', 'soc-pipeline/', 'swarm/'].map((name) => `examples/${name}README.md`),
  'test/interop/vectors/README.md',
]

function read(page: URL): string {
  return readFileSync(page, 'utf8')
}

/** Returns the text without code, in which brackets and parentheses do not form links. */
function prose(text: string): string {
  return text.replace(/^```.*?^```/gms, '').replace(/`[^`\n]*`/g, '')
}

/** The anchors of a page as GitHub makes them of its headings. */
function anchorsOf(text: string): string[] {
  return [...text.replace(/^```.*?^```/gms, '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

const links = pages.flatMap((page) =>
  [...prose(read(new URL(page, root))).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']): [string, string] => [page, target])
    .filter(([, target]) => !/^[a-z]+:/.test(target)),
)

const { scripts } = JSON.parse(read(new URL('package.json', root))) as { scripts: Record<string, string> }

/** The pages for people who work in a checkout. Pages for users may name files of their own programs. */
const developerPages = ['CONTRIBUTING.md', 'docs/architecture.md', 'docs/performance.md', 'docs/platforms.md']

/** The texts in backquotes, outside of blocks of code. */
function codeSpans(text: string): string[] {
  return [...text.replace(/^```.*?^```/gms, '').matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span)
}

/** Paths of the repository that a page names. A `<placeholder>` is not one. */
function pathsOf(text: string): string[] {
  return [...text.matchAll(/(?<![\w./<-])(?:lib|native|test|docs|release|examples|\.ci)\/[\w./<-]*\w/g)]
    .map(([path]) => path)
    .filter((path) => !path.includes('<'))
}

/** Every name in the code of the repository. */
function namesOfTheCode(): ReadonlySet<string> {
  const files = execFileSync(
    'git',
    [
      'ls-files',
      '--cached',
      '--others',
      '--exclude-standard',
      'lib',
      'native',
      'test',
      'release',
      'package.json',
      'binding.gyp',
    ],
    { cwd: fileURLToPath(root), encoding: 'utf8' },
  )
  const names = new Set<string>()
  for (const file of files.trim().split('\n')) {
    if (
      !/\.(ts|cc|h|sh|gyp|json)$/.test(file) ||
      file.endsWith('docs.test.ts') ||
      !existsSync(new URL(file, root))
    )
      continue
    for (const [name] of read(new URL(file, root)).matchAll(/\w+/g)) names.add(name)
  }
  return names
}

describe('the documentation', () => {
  it.each(links)('%s links to %s, which is there', (page, target) => {
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? new URL(page, root) : new URL(path, new URL(page, root))
    expect(existsSync(file)).toBe(true)
    if (anchor !== undefined && statSync(file).isFile()) expect(anchorsOf(read(file))).toContain(anchor)
  })

  it.each(pages)('%s names only npm scripts that exist', (page) => {
    const named = [...read(new URL(page, root)).matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(
      ([, name = '']) => name,
    )
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })

  it.each(developerPages)('%s names only files and folders that exist', (page) => {
    const paths = pathsOf(read(new URL(page, root)))
    expect(paths.length).toBeGreaterThan(0)
    expect(paths.filter((path) => !existsSync(new URL(path, root)))).toEqual([])
  })

  it.each(['CONTRIBUTING.md', 'docs/architecture.md'])(
    '%s names only functions and types that exist',
    (page) => {
      const known = namesOfTheCode()
      const named = codeSpans(read(new URL(page, root)))
        .filter((span) => /^[A-Za-z_][\w.:]*(\(.*\))?$/.test(span))
        .flatMap((span) => span.replace(/\(.*/, '').split(/[.:]+/))
        .filter((name) => name.length > 2 && !['gyp', 'socat'].includes(name))
      expect(named.length).toBeGreaterThan(10)
      expect([...new Set(named)].filter((name) => !known.has(name))).toEqual([])
    },
  )

  it('has a heading for each error code', () => {
    const [, union = ''] =
      /type IpcErrorCode =([^;]*?)\n\n/s.exec(read(new URL('lib/base/errors.ts', root))) ?? []
    const codes = [...union.matchAll(/'(ERR_IPC_\w+)'/g)].map(([, code]) => code)
    expect(codes.length).toBeGreaterThan(10)
    const headings = anchorsOf(read(new URL('docs/api.md', root)))
    expect(codes.filter((code) => !headings.includes((code ?? '').toLowerCase()))).toEqual([])
  })

  it('lists, for a new operating system, everything that platform.h declares', () => {
    const contract = read(new URL('native/platform/platform.h', root)).replace(/\/\/.*$/gm, '')
    // Declarations at the start of a line, outside of classes: functions and constants without a definition.
    const declared = [
      ...contract.matchAll(/^(?:extern const bool|[\w:<>]+(?: [\w:<>]+)*) (\w+)(?:\([^;{]*\))?;$/gm),
    ]
    const names = declared.map(([, name = '']) => name).filter((name) => /^[A-Zk]/.test(name))
    expect(names.length).toBeGreaterThan(30)
    const guide = read(new URL('CONTRIBUTING.md', root))
    expect(names.filter((name) => !guide.includes(`\`${name}\``))).toEqual([])
  })

  it('keeps the README short', () => {
    expect(read(new URL('README.md', root)).split('\n').length).toBeLessThanOrEqual(MOST_README_LINES)
  })
})
