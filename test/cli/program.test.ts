// The command line as a whole: help, version, wrong arguments, exit codes, completion, the ways it must not break.

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'

import { BRIDGE_HELP } from '../../lib/bridge/command.js'
import { COMMANDS } from '../../lib/cli/program.js'
import { temporaryDirectory } from '../support/directory.js'
import { listening } from '../support/pair.js'
import { commandLine, quoted, Screen, whyNoScreen } from './support/screen.js'
import { main, run, start } from './support/command.js'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
  bin: Record<string, string>
}

describe('sentinel-ipc', () => {
  it('is the command of the package, and can be executed', async () => {
    expect(manifest.bin).toEqual({ 'sentinel-ipc': './dist/cli/main.cjs' })
    expect(execFileSync(main, ['--version'], { encoding: 'utf8' })).toBe(`${manifest.version}\n`)
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' })
  })

  it('explains itself and each command', async () => {
    const { code, stdout } = await run(['--help'])
    expect(code).toBe(0)
    for (const { name, summary } of COMMANDS)
      expect(stdout).toMatch(new RegExp(`^ +${name}( [A-Z\\[\\].]+)* {2,}${summary}$`, 'm'))
    expect(await run([])).toMatchObject({ code: 2, stdout: '', stderr: stdout })
  })

  it.each(COMMANDS.map(({ name }) => name))('explains %s, with every option', async (name) => {
    const { code, stdout } = await run([name, '--help'])
    expect(code).toBe(0)
    expect(stdout).toContain(`Usage: sentinel-ipc ${name}`)
    const command = COMMANDS.find((entry) => entry.name === name)
    for (const option of Object.keys(command?.options ?? {})) expect(stdout).toContain(`--${option}`)
    expect(await run(['help', name])).toMatchObject({ stdout })
  })

  it.each([
    [['lisen'], "there is no command 'lisen'; did you mean listen?"],
    [['listen'], 'listen needs NAME'],
    [['listen', 'a', '--cuont', '3'], 'listen has no option --cuont; did you mean --count?'],
    [['listen', 'a', '--count'], "listen: Option '-n, --count <value>' argument missing"],
    [['listen', 'a', '--count', 'x'], "--count takes a whole number from 1, not 'x'"],
    [['listen', 'a', 'b'], "listen takes NAME, and got 'b' as well"],
    [['listen', 'a b'], 'the pipe name must be 1 to 200 letters'],
    [['listen', 'a', '--mode', '777'], "--mode takes 600, 660 or 666, not '777'"],
    [
      ['listen', 'a', '--fields', 'x'],
      "--fields takes JSON Pointers such as /host/name, separated by commas, not 'x'",
    ],
    [['listen', './x', '--directory', '/'], "--directory does not go with a path ('./x')"],
    [['listen', 'a', '--allow-user', 'no-such-user'], 'policy.users: this system has no "no-such-user"'],
    [['send', 'a', '--payload', '1'], '--payload and --id need --type'],
    [['send', 'a', '--spool', 'x'], '--spool needs --ack'],
    [
      ['send', 'a', '--type', 'x', '--payload', '{bad'],
      "--payload takes JSON, not '{bad'; text needs quotes of its own",
    ],
    [['ping', 'a', '--interval', 'soon'], "--interval takes a duration such as 500ms, 5s or 2m, not 'soon'"],
    [['bridge', '--chek'], 'bridge has no option --chek; did you mean --check?'],
    [['bridge', '--json'], 'bridge has no --json'],
    [['completion', 'fish'], "completion takes bash or zsh, not 'fish'"],
  ])('refuses %j in one line, with code 2', async (args, text) => {
    const { code, stdout, stderr } = await run(args)
    expect(stderr).toContain(text)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect([code, stdout]).toEqual([2, ''])
  })

  it('says what is wrong in one line, with the stack only where SENTINEL_IPC_DEBUG asks for it', async () => {
    const env = { SENTINEL_IPC_DIRECTORY: temporaryDirectory() }
    const quiet = await run(['ping', 'nothing'], { env })
    expect(quiet.code).toBe(3)
    expect(quiet.stderr).toMatch(
      /^sentinel-ipc: .*nothing\.sock does not exist .*\[ERR_IPC_NOT_LISTENING\]; start .*\n$/,
    )
    const debug = await run(['ping', 'nothing'], { env: { ...env, SENTINEL_IPC_DEBUG: '1' } })
    expect(debug.stderr).toMatch(/\n {4}at /)
  })

  it('names what is near to a name without a listener, and what else to do', async () => {
    const directory = temporaryDirectory()
    await listening(directory)
    const text = async (...args: string[]): Promise<string> => (await run([...args, '-d', directory])).stderr
    expect(await text('ping', 'tset')).toMatch(
      / does not exist .* \[ERR_IPC_NOT_LISTENING\]; did you mean test\?\n$/,
    )
    expect(await text('ping', 'otherwise')).toContain('; start the listener')
    expect(await text('audit', 'tset')).toBe(
      "sentinel-ipc: no process exposes its events as tset: call exposeStats('tset') in it\n",
    )
    const missing = await run(['listen', 'a', '-d', join(directory, 'not/there')])
    expect(missing.stderr).toMatch(/ENOENT.*; create that directory \(mkdir -p -m 700\), or give another one/)
  })

  it('ends quietly when the reader of its output has gone', () => {
    const { stdout, stderr, status } = spawnSync(
      'bash',
      ['-c', `"${process.execPath}" "${main}" --help | head -n 1; echo \${PIPESTATUS[0]}`],
      {
        encoding: 'utf8',
      },
    )
    expect([stdout, stderr, status]).toEqual(['Usage: sentinel-ipc COMMAND [arguments]\n0\n', '', 0])
  })

  it('ends a listener quietly when the reader of its output has gone', async () => {
    const directory = temporaryDirectory()
    const listener = start(['listen', 'events', '-d', directory, '--count', '1000'])
    const send = (): Promise<unknown> =>
      run(['send', 'events', '-d', directory, '--retries', '5', '--type', 'x', '--payload', '1'])
    await send()
    await listener.prints('"payload":1')
    listener.process.stdout.destroy()
    await send()
    await send()
    expect(await listener.done).toMatchObject({ code: 0, stderr: '' })
  })

  it('has no colours where the output is no terminal, unless FORCE_COLOR asks for them', async () => {
    const env = { SENTINEL_IPC_DIRECTORY: temporaryDirectory() }
    expect((await run(['ping', 'x'], { env })).stderr).not.toContain('\x1b')
    expect((await run(['ping', 'x'], { env: { ...env, FORCE_COLOR: '1' } })).stderr).toContain('\x1b[31m')
    expect(
      (await run(['ping', 'x'], { env: { ...env, FORCE_COLOR: '1', NO_COLOR: '1' } })).stderr,
    ).not.toContain('\x1b')
  })

  it('explains itself without a binary, and says what is missing where it needs one', async () => {
    const copy = temporaryDirectory()
    const root = dirname(dirname(dirname(main)))
    cpSync(join(root, 'dist'), join(copy, 'dist'), { recursive: true })
    cpSync(join(root, 'package.json'), join(copy, 'package.json'))
    mkdirSync(join(copy, 'node_modules'))
    cpSync(join(root, 'node_modules/node-gyp-build'), join(copy, 'node_modules/node-gyp-build'), {
      recursive: true,
    })
    const options = { main: join(copy, 'dist/cli/main.cjs') }
    expect(await run(['--help'], options)).toMatchObject({ code: 0, stderr: '' })
    const { code, stderr } = await run(['ping', 'x'], options)
    expect(code).toBe(1)
    expect(stderr).toContain('sentinel-ipc has no binary that loads here')
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  })

  it('says which packages bridge needs where they are not installed, and needs them for nothing else', async () => {
    const copy = temporaryDirectory()
    const root = dirname(dirname(dirname(main)))
    for (const part of ['dist', 'package.json', 'build', 'prebuilds', 'node_modules/node-gyp-build'])
      if (existsSync(join(root, part))) cpSync(join(root, part), join(copy, part), { recursive: true })
    const options = { main: join(copy, 'dist/cli/main.cjs'), env: { SENTINEL_IPC_DIRECTORY: copy } }
    const args = ['bridge', '--from', 'events', '--to', 'nats://127.0.0.1:1', '--check']
    expect(await run(args, options)).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'sentinel-ipc: bridge needs two more packages; install them with npm install @nats-io/transport-node @nats-io/jetstream\n',
    })
    expect((await run(['ping', 'nothing'], options)).code).toBe(3)
    expect((await run(['bridge', '--help'], options)).code).toBe(0)
  })

  it('runs the bridge with the arguments as they were given', async () => {
    const check = await run(['bridge', '--from', 'a', '--to', 'nats://127.0.0.1:1', '--check'])
    expect([check.code, check.stdout + check.stderr]).toEqual([
      1,
      expect.stringContaining('no connection: connection refused'),
    ])
    const wrong = await run(['bridge', '--from', 'a', '--to=-b', '--fsync'])
    expect(wrong).toMatchObject({ code: 2, stdout: '' })
    expect(wrong.stderr).toContain('one of --from and --to must be a local name')
    const inward = await run(['bridge', '--from', 'nats://127.0.0.1:1', '--to', 'a', '--gather-ms', '5'])
    expect(inward.stderr).toContain('--gather-ms is for the way out')
  })

  it('knows the options of the bridge as the bridge does', () => {
    const options = COMMANDS.find(({ name }) => name === 'bridge')?.options ?? {}
    const known = [...BRIDGE_HELP.matchAll(/--([a-z-]+)/g)].map(([, name = '']) => name)
    expect(new Set([...Object.keys(options), 'help'])).toEqual(new Set(known))
  })

  it('times out at a peer that hangs', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const { code, stderr } = await run(['request', 'test', 'status', '-d', directory, '--timeout', '200ms'])
    expect(stderr).toContain('the peer did not reply to status within 200 ms')
    expect(code).toBe(5)
    listener.close()
  })
})

describe('completion', () => {
  it('for bash is valid, and completes commands, options, values and names', async () => {
    const directory = temporaryDirectory()
    const listener = await listening(directory)
    const { stdout } = await run(['completion', 'bash'])
    const complete = (...words: string[]): string[] =>
      execFileSync(
        'bash',
        [
          '-c',
          `${stdout}\nCOMP_WORDS=(sentinel-ipc "$@"); COMP_CWORD=$#; _sentinel_ipc; printf '%s\\n' "\${COMPREPLY[@]}"`,
          'bash',
          ...words,
        ],
        { encoding: 'utf8', env: { ...process.env, SENTINEL_IPC_DIRECTORY: directory } },
      )
        .trim()
        .split('\n')
    expect(complete('li')).toEqual(['listen'])
    expect(complete('')).toEqual([...COMMANDS.map(({ name }) => name), '--help', '--version'])
    expect(complete('listen', '--co')).toEqual(['--count'])
    expect(complete('listen', '--mode', '66')).toEqual(['660', '666'])
    expect(complete('send', 'te')).toEqual(['test'])
    expect(complete('completion', 'z')).toEqual(['zsh'])
    listener.close()
  })

  /** Parts of names that a shell expands, splits, or takes for options. */
  const HOSTILE = [
    'x$(touch PWNED)',
    'x`touch PWNED`',
    'x;touch PWNED;',
    'x\ntouch PWNED\n',
    'two words',
    "x'y",
    '*',
    '-rf',
    '',
  ]

  /** A directory with sockets of these names, and directories of most of them. */
  async function hostileDirectory(): Promise<string> {
    const directory = temporaryDirectory()
    for (const name of [...HOSTILE, 'test']) {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(join(directory, `${name}.sock`), resolve))
      onTestFinished(() => {
        server.close()
      })
    }
    for (const name of [...HOSTILE, 'test']) mkdirSync(join(directory, 'spools', name), { recursive: true })
    return directory
  }

  it('for bash runs and splits no name that another user chose', async () => {
    const directory = await hostileDirectory()
    const { stdout } = await run(['completion', 'bash'])
    const complete = (...words: string[]): string[] =>
      execFileSync(
        'bash',
        [
          '-c',
          `${stdout}\nCOMP_WORDS=(sentinel-ipc "$@"); COMP_CWORD=$#; _sentinel_ipc; printf '%s\\0' "\${COMPREPLY[@]}"`,
          'bash',
          ...words,
        ],
        { encoding: 'utf8', cwd: directory, env: { ...process.env, SENTINEL_IPC_DIRECTORY: directory } },
      )
        .split('\0')
        .filter((reply) => reply !== '')
    expect(complete('send', '')).toEqual(['test'])
    expect(complete('send', 'x')).toEqual([])
    // bash is not completing here, so it does not add quotes.
    expect(complete('spool', `${directory}/spools/`)).not.toContainEqual(expect.stringMatching(/[$`;' *]/))
    expect(complete('send', 'a', '--spool', `${directory}/spools/t`)).toEqual([`${directory}/spools/test`])
    expect(existsSync(join(directory, 'PWNED'))).toBe(false)
  })

  it.skipIf(whyNoScreen !== '')(`for bash quotes directories at the Tab key${whyNoScreen}`, async () => {
    const directory = await hostileDirectory()
    const script = join(directory, 'completion.bash')
    writeFileSync(script, (await run(['completion', 'bash'])).stdout)
    const screen = Screen.open(160, 30, { SENTINEL_IPC_DIRECTORY: directory })
    screen.run(`cd ${quoted(directory)}; bash --norc`)
    await screen.shows(/\S/)
    screen.type(`sentinel-ipc() { printf '[%s]' "$@"; echo; }; source ${quoted(script)}; echo rea''dy`)
    screen.press('Enter')
    await screen.shows(/^ready$/m)
    screen.type('sentinel-ipc send ')
    screen.press('Tab')
    await screen.shows('sentinel-ipc send test')
    screen.press('Enter')
    await screen.shows('[send][test]')
    screen.type('sentinel-ipc spool spools/x\\$')
    screen.press('Tab', 'Enter')
    await screen.shows('[spool][spools/x$(touch PWNED)/]')
    expect(existsSync(join(directory, 'PWNED'))).toBe(false)
  })

  const zsh = spawnSync('zsh', ['--version']).status === 0
  it.skipIf(!zsh)(`for zsh is valid${zsh ? '' : ' (skipped: no zsh here)'}`, async () => {
    const { stdout } = await run(['completion', 'zsh'])
    const script = join(temporaryDirectory(), '_sentinel-ipc')
    writeFileSync(script, stdout)
    const { stderr, status } = spawnSync('zsh', ['-n', script], { encoding: 'utf8' })
    expect([stderr, status]).toEqual(['', 0])
    // Lists no name that another user chose to be expanded.
    const directory = await hostileDirectory()
    const names = /^_sentinel_ipc_names\(\) \{\n.*?^\}/ms.exec(stdout)?.[0] ?? ''
    const listed = spawnSync(
      'zsh',
      ['-fc', `setopt null_glob glob_subst; ${names}; print -rl -- $(_sentinel_ipc_names)`],
      {
        encoding: 'utf8',
        cwd: directory,
        env: { ...process.env, SENTINEL_IPC_DIRECTORY: directory },
      },
    )
    expect([listed.stdout, listed.stderr]).toEqual(['test\n', ''])
    expect(existsSync(join(directory, 'PWNED'))).toBe(false)
  })

  const whyNoZsh = zsh ? whyNoScreen : ' (skipped: no zsh here)'
  it.skipIf(whyNoZsh !== '')(`for zsh completes at the Tab key${whyNoZsh}`, async () => {
    const directory = await hostileDirectory()
    const script = join(directory, '_sentinel-ipc')
    writeFileSync(script, (await run(['completion', 'zsh'])).stdout)
    const screen = Screen.open(120, 30, { SENTINEL_IPC_DIRECTORY: directory, ZDOTDIR: directory })
    screen.run(`cd ${quoted(directory)}; zsh -f`)
    await screen.shows(/\S/) // its prompt: what is typed before that is lost
    screen.type(
      `sentinel-ipc() { ${commandLine()} "$@"; }; autoload -U compinit; compinit -u; source ${quoted(script)}; clear`,
    )
    screen.press('Enter')
    screen.type('echo $ZSH_NAME is ready')
    screen.press('Enter')
    await screen.shows(/^zsh is ready$/m)
    const completes = async (typed: string, text: string | RegExp): Promise<void> => {
      screen.type(typed)
      screen.press('Tab')
      await screen.shows(text)
      screen.press('C-u', 'C-l')
    }
    await completes('sentinel-ipc lis', 'sentinel-ipc listen')
    await completes('sentinel-ipc send ', 'sentinel-ipc send test')
    await completes('sentinel-ipc listen --ful', 'sentinel-ipc listen --full')
    await completes('sentinel-ipc spool --', 'go on, and print what changes')
    expect(existsSync(join(directory, 'PWNED'))).toBe(false)
  })
})
