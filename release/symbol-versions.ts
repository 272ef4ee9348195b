// Checks which symbol versions a Linux binary needs from system libraries, and limits them. Needs readelf.

import { output } from './run.js'

/**
 * What RHEL 8 has (glibc 2.28, GCC 8), which is also what Node 20 asks for: where Node runs, the addon loads. Nothing of
 * other libraries is allowed.
 */
const NEWEST_ALLOWED: Readonly<Record<string, string>> = {
  GLIBC: '2.28',
  GLIBCXX: '3.4.25',
  CXXABI: '1.3.11',
  GCC: '7.0.0',
}

/** Shared libraries that are there wherever Node is. musl has two names. */
const LIBRARY =
  /^(?:lib(?:stdc\+\+|gcc_s|c|m|pthread|dl)\.so(?:\.\d+)?|ld-linux-[\w-]+\.so\.\d|libc\.musl-\w+\.so\.1)$/

interface Wanted {
  readonly symbol: string
  /** As in `GLIBC_2.28`. */
  readonly library: string
  readonly version: string
}

function wantedSymbols(binary: string): Wanted[] {
  const table = output('readelf', ['--wide', '--dyn-syms', binary])
  // "  12: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND statx@GLIBC_2.28 (5)"
  return [...table.matchAll(/ UND (\S+)@+([A-Z]+)_([\d.]+)/g)].map(
    ([, symbol = '', library = '', version = '']) => ({ symbol, library, version }),
  )
}

/** Returns a line for each symbol or library that the binary needs and may not. */
export function tooNew(binary: string): string[] {
  const symbols = wantedSymbols(binary).flatMap(({ symbol, library, version }) => {
    const most = NEWEST_ALLOWED[library]
    if (most !== undefined && compareVersions(version, most) <= 0) return []
    return [`${symbol} asks for ${library}_${version}, and ${most ?? 'none'} is the newest allowed`]
  })
  const table = output('readelf', ['--wide', '--dynamic', binary])
  const libraries = [...table.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, library = '']) => library)
  return [
    ...symbols,
    ...libraries.filter((library) => !LIBRARY.test(library)).map((library) => `it needs ${library}`),
  ]
}

/** The newest version of each library that the binary asks for, such as `GLIBC_2.28`. */
export function asksFor(binary: string): string[] {
  const newest = new Map<string, string>()
  for (const { library, version } of wantedSymbols(binary)) {
    if (compareVersions(version, newest.get(library) ?? '0') > 0) newest.set(library, version)
  }
  return [...newest].map(([library, version]) => `${library}_${version}`).sort()
}

/** Negative, 0 or positive, as a comparison for `sort`. */
export function compareVersions(one: string, other: string): number {
  const left = one.split('.').map(Number)
  const right = other.split('.').map(Number)
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
