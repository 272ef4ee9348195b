// The tests that have no meaning on Windows or cannot work under Wine, each with its reason. Files by their path below test/,
// tests and groups by how their names begin.

const FILES = 'a pipe is no file'
const NAME_LIVES = 'on Windows a name is taken as long as any connection made there is open'
const NUMBERS = 'there are no numbers of users and groups'
const MODES = 'files have access lists, not modes'
const OPEN_TEMP =
  'Wine opens new directories to everyone, which registry and spool refuse; the same rules are tried on a directory of their own'
const OPEN_SPOOL = 'removes the directory of a spool that is open, which Windows does not allow'
const NO_LINKS = 'Wine 8 says that it has made a symbolic link, and makes none'
const PYTHON = 'needs Python and Unix sockets'

export const leftOut: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'unit/connection/connection': {
    'goes on with a peer that sends no more': 'a pipe has no halves to close',
  },
  'unit/swarm/listening': { 'gives its socket the configured mode': FILES },
  'unit/swarm/peers/peer-registry': {
    'comes back from a file': OPEN_TEMP,
    'refuses a file that holds': OPEN_TEMP,
  },
  'unit/connection/dial': {
    'refuses a link': FILES,
    'refuses a file': FILES,
  },
  'unit/connection/listener': {
    'has the documented default address': 'of its own: see pipes',
    'makes the directory': FILES,
    'refuses to replace': FILES,
    'refuses a lock file': FILES,
    'refuses a directory': FILES,
    'refuses such a directory': FILES,
    'follows a link': FILES,
    'says so when links': FILES,
    'makes no directories': FILES,
    'refuses a path that is too long': 'a name of a pipe may be longer',
    'hangs up on clients that were not accepted': NAME_LIVES,
    'removes only the socket': FILES,
  },
  'unit/spool/spool': { 'is private': MODES },
  'unit/spool/files': {
    'a directory of mode': MODES,
    'a directory below one': MODES,
    'a lock that is a link': MODES,
    'a 0000000000000001.log that is a link': MODES,
    'an open spool keeps its directory': 'an open directory cannot be renamed',
    'nothing for files': OPEN_TEMP,
    'a spool follows links': NO_LINKS,
  },
  'unit/spool/segments': {
    'is not held by a few': OPEN_SPOOL,
    'are not handed out again, in': OPEN_SPOOL,
    'believe the wall clock about a stop': OPEN_TEMP,
  },
  'security/files': { 'a link of our own': FILES },
  'security/admission': {
    labels: 'there are no labels',
    'that says {"labels"': 'there are no labels',
    'mode and group': NUMBERS,
    'a descriptor that listens already': 'pipes are not passed on while they listen',
  },
  'security/limits': {
    'descriptors that a peer sends along': PYTHON,
  },
  'security/peer-exit': {
    'the end of the process behind a connection': 'the child of its tests cannot pass a pipe on: see pipes',
  },
}
