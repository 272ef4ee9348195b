// The kinds of events, in the same form for every system that reports them. One kind for each thing that a rule needs.

/** What happened. Names are in lower case where systems ignore case; '' is unknown. */
export type Happening =
  | {
      readonly kind: 'process'
      readonly program: string
      readonly image: string
      readonly commandLine: string
      readonly parent: string
      /** Who reports it: the same start may be reported twice. */
      readonly reporter: string
    }
  /** PowerShell reports the code it runs, and how it was started. */
  | { readonly kind: 'script'; readonly program: string; readonly commandLine: string }
  | { readonly kind: 'connection'; readonly program: string; readonly to: string }
  | {
      readonly kind: 'logon'
      readonly ok: boolean
      readonly user: string
      readonly from: string
      readonly remote: boolean
      readonly session: string
      readonly times: number
    }
  | {
      readonly kind: 'task'
      readonly action: string
      readonly name: string
      readonly user: string
      readonly session: string
    }
  | { readonly kind: 'service'; readonly name: string; readonly image: string }
  | { readonly kind: 'account'; readonly name: string; readonly by: string }
  /** A directory object was used with these rights; each is a GUID of the schema, in lower case. */
  | { readonly kind: 'directory-access'; readonly user: string; readonly rights: readonly string[] }
  /** A call of a cloud's management interface. */
  | {
      readonly kind: 'cloud-call'
      readonly service: string
      readonly call: string
      readonly user: string
      readonly isRoot: boolean
      readonly from: string
      /** '' if it succeeded. */
      readonly error: string
      readonly target: string
    }
  | { readonly kind: 'log-cleared'; readonly log: string; readonly by: string }
  | { readonly kind: 'sudo-refused'; readonly user: string; readonly listed: boolean; readonly times: number }
  | {
      readonly kind: 'local-process'
      readonly program: string
      readonly exe: string
      readonly commandLine: string
    }
  | {
      readonly kind: 'listener'
      readonly program: string
      readonly protocol: string
      readonly address: string
      readonly port: number | undefined
    }

export type Kind = Happening['kind']

/** An event as it came. */
export type Fields = Readonly<Record<string, unknown>>

/** Longest text that rules look at. Longer texts are cut, so that the rules' memory stays small. */
const MAX_TEXT = 8192

/** The first of these fields that is a text or a number, as text; '' when there is none. */
export function text(event: Fields, ...names: readonly string[]): string {
  for (const name of names) {
    const value = event[name]
    if (typeof value === 'number') return String(value)
    if (typeof value !== 'string') continue
    // A plain slice would keep all of the long text alive.
    return value.length > MAX_TEXT ? Buffer.from(value.slice(0, MAX_TEXT)).toString() : value
  }
  return ''
}

/** The file name of a Windows or Unix path, in lower case. */
export function programOf(path: string): string {
  return path.slice(Math.max(path.lastIndexOf('\\'), path.lastIndexOf('/')) + 1).toLowerCase()
}
