// The documentation holds together: links lead somewhere, every error code has its heading, the README stays short.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
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

describe('the documentation', () => {
  it.each(links)('%s links to %s, which is there', (page, target) => {
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? new URL(page, root) : new URL(path, new URL(page, root))
    expect(existsSync(file)).toBe(true)
    if (anchor !== undefined && statSync(file).isFile()) expect(anchorsOf(read(file))).toContain(anchor)
  })

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
