// Whose files and directories are used, by a listener, a spool, a fact store and a registry.

import type { Mutation } from './mutation.js'

const FILES = 'test/security/files.test.ts'
const PEERS = 'test/security/peers.test.ts'
const LISTENER = 'test/unit/connection/listener.test.ts'
const LOST = 'test/unit/connection/address-lost.test.ts'
const FACTS = 'test/unit/lmdb/fact-files.test.ts'
const SPOOL_FILES = 'test/unit/spool/files.test.ts'
const CLAIM = 'test/unit/spool/claim.test.ts'

const path = 'native/platform/posix/safe_path.cc'
const claim = 'native/platform/posix/address_claim.cc'
const directory = 'native/platform/posix/file_directory.cc'
const socket = 'native/platform/posix/server.cc'

const PRIVATE = 'The socket is 0600 and a directory made for it 0700'
const ANYWHERE = 'Directories that another user owns'
const REPLACED = 'Only a dead socket of this user'
const STANDS = 'Where an address stands'
const ONE_SET = 'A spool, an LMDB fact store and a peer registry'
const SPOOL_DIRECTORY = "The spool's directory is 0700"
const SHARED = 'A directory that is declared shared'
const FACT_STORE = 'An LMDB fact store is 0700'

export const fileMutations: readonly Mutation[] = [
  {
    name: 'a directory that is made is for this user, whatever the umask',
    claim: PRIVATE,
    file: path,
    from: 'if (mkdirat(parent.number(), name.c_str(), S_IRWXU) != 0) {',
    to: 'if (mkdirat(parent.number(), name.c_str(), 0777) == 0) return Done{};\n  if (errno != 0) {',
    tests: [LISTENER],
  },
  {
    name: 'no other user owns a directory of the path',
    claim: ANYWHERE,
    file: path,
    from: 'if (!Trusted(facts.owner)) {',
    to: 'if (!Trusted(facts.owner) && path.empty()) {',
    tests: [PEERS],
  },
  {
    name: 'no other user may write to a directory of the path',
    claim: ANYWHERE,
    file: path,
    from: 'if ((facts.mode & (S_IWGRP | S_IWOTH)) == 0 || (facts.mode & S_ISVTX) != 0) return Done{};',
    to: 'if (facts.mode < S_IFMT) return Done{};',
    tests: [LISTENER],
  },
  {
    name: 'links of other users are not followed',
    claim: ANYWHERE,
    file: path,
    from: 'if (!Trusted(facts.value().owner) && !owners) {',
    to: 'if (!Trusted(facts.value().owner) && !owners && links < 0) {',
    tests: [PEERS],
  },
  {
    name: 'a socket that replies is not replaced',
    claim: REPLACED,
    file: claim,
    from: 'if (probe.ok()) return InUse("a process listens at " + path);',
    to: '',
    tests: [LISTENER],
  },
  {
    name: 'a socket of another user is not replaced',
    claim: REPLACED,
    file: claim,
    from: 'if (facts.value().owner != OwnUserId()) {',
    to: 'if (facts.value().owner != OwnUserId() && path.empty()) {',
    tests: [PEERS],
  },
  {
    name: 'what is no socket is not replaced',
    claim: REPLACED,
    file: claim,
    from: 'if (facts.value().kind != FileFacts::Kind::kSocket) {',
    to: 'if (facts.value().kind != FileFacts::Kind::kSocket && path.empty()) {',
    tests: [LISTENER],
  },
  {
    name: 'closing removes only the socket that the listener made',
    claim: REPLACED,
    file: claim,
    from: 'if (there.ok() && there.value().SameFile(*socket_))',
    to: 'if (there.ok())',
    tests: [LISTENER],
  },
  {
    name: 'the lock decides between two starters',
    claim: 'Of two listeners that start at once',
    file: claim,
    from: 'if (flock(Number(lock.value()), LOCK_EX | LOCK_NB) != 0) {',
    to: 'if (flock(Number(lock.value()), LOCK_UN) != 0) {',
    tests: ['test/integration/starting.test.ts'],
    named: 'two starters',
  },
  {
    name: 'a lock that was removed meanwhile is not taken for the one at the path',
    claim: 'Of two listeners that start at once',
    file: claim,
    from: 'if (there.ok() && there.value().SameFile(mine.value())) {',
    to: 'if (there.ok() || !there.ok()) {',
    tests: ['test/integration/faults.test.ts'],
    named: 'a lock whose file is removed',
  },
  {
    name: 'a path that is too long is refused before anything is made',
    claim: 'A path that is too long',
    file: 'lib/connection/address.ts',
    from: 'if (bytes > MAX_PATH_BYTES) {',
    to: 'if (false) {',
    tests: ['test/unit/connection/address.test.ts'],
  },
  {
    name: 'a lock of another user is refused',
    claim: STANDS,
    file: path,
    from: 'if (facts.links > 1) {',
    to: 'if (facts.links > 1 && path.empty()) {',
    tests: [FILES],
  },
  {
    name: 'a lock that others may write to is refused',
    claim: STANDS,
    file: path,
    from: 'if ((facts.mode & kOthers) != 0) {',
    to: 'if ((facts.mode & kOthers) != 0 && path.empty()) {',
    tests: [FILES],
  },
  {
    name: 'a default access list opens nothing',
    claim: STANDS,
    file: socket,
    from: 'if (Status status = RemoveAccessList(file); !status.ok()) return status.failure();',
    to: '',
    tests: [FILES],
  },
  {
    name: 'a directory of others must be declared shared',
    claim: SHARED,
    file: path,
    from: 'if (trust == Trust::kSharedLastDirectory && is_last) return Done{};',
    to: 'if (trust != Trust::kOwnDirectories && is_last) return Done{};',
    tests: [FILES],
    named: 'declared shared',
  },
  {
    name: 'only the last directory of a path can be shared',
    claim: SHARED,
    file: path,
    from: 'if (trust == Trust::kSharedLastDirectory && is_last) return Done{};',
    to: 'if (trust == Trust::kSharedLastDirectory && facts.mode > 0) return Done{};',
    tests: [FILES],
    named: 'declared shared',
  },
  {
    name: 'in a shared directory the access of the socket is set by descriptor',
    claim: SHARED,
    file: socket,
    from: 'const std::string file = by_descriptor ? pinned.value().path : path;',
    to: 'const std::string file = path;',
    tests: [FILES],
    named: 'declared shared',
  },
  {
    name: 'files have the owner that they should',
    claim: ONE_SET,
    file: path,
    from: 'if (facts.owner != OwnUserId()) return Unsafe(',
    to: 'if (facts.owner != OwnUserId() && path.empty()) return Unsafe(',
    tests: [FILES],
    named: 'other users and',
  },
  {
    name: 'a private directory belongs to this user',
    claim: ONE_SET,
    file: directory,
    from: 'if (directory.facts.owner != OwnUserId()) {',
    to: 'if (directory.facts.owner != OwnUserId() && request.path.empty()) {',
    tests: [FILES],
    named: 'a private directory of root',
  },
  {
    name: 'a private directory is open to nobody else',
    claim: ONE_SET,
    file: directory,
    from: 'if ((directory.facts.mode & (S_IRWXG | S_IRWXO)) != 0) {',
    to: 'if ((directory.facts.mode & (S_IRWXG | S_IRWXO)) != 0 && request.path.empty()) {',
    tests: [FILES],
    named: 'other users and',
  },
  {
    name: 'a registry is written to a file of its own, whatever is at its path',
    claim: ONE_SET,
    file: 'lib/swarm/peers/registry-storage.ts',
    from: "const descriptor = await files.openFile(basename(this.path), 'read')",
    to: "const descriptor = openSync(this.path, 'r')",
    tests: [FILES],
    named: 'other users and',
  },
  {
    name: 'the files of a spool are not links',
    claim: SPOOL_DIRECTORY,
    file: path,
    from: 'openat(directory, name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, kOwnerOnlyFile)',
    to: 'openat(directory, name.c_str(), flags | O_CLOEXEC, kOwnerOnlyFile)',
    tests: [SPOOL_FILES],
  },
  {
    name: 'the files of a spool have one name',
    claim: SPOOL_DIRECTORY,
    file: path,
    from: 'if (facts.links > 1) {',
    to: 'if (facts.links > 1 && path.empty()) {',
    tests: [SPOOL_FILES],
  },
  {
    name: 'one opener at a time has a spool',
    claim: 'One thread, process or container at a time',
    file: directory,
    from: 'flock(Number(lock.value()), LOCK_EX | LOCK_NB) != 0',
    to: 'flock(Number(lock.value()), LOCK_SH | LOCK_NB) != 0',
    tests: [CLAIM],
    named: 'a claim',
  },
  {
    name: 'the lock of a fact store is checked',
    claim: FACT_STORE,
    file: 'lib/lmdb/fact-files.ts',
    from: 'await files.checkFile(LOCK)',
    to: '',
    tests: [FACTS],
  },
  {
    name: 'the database of a fact store is made for this user and checked',
    claim: FACT_STORE,
    file: 'lib/lmdb/fact-files.ts',
    from: 'await makeIfAbsent(files, DATA, 0)\n  await checkLength(files)',
    to: '',
    tests: [FACTS],
  },
  {
    name: 'a database that was cut short is refused',
    claim: FACT_STORE,
    file: 'lib/lmdb/fact-files.ts',
    from: 'if (size < expected) throw',
    to: 'if (size < 0) throw',
    tests: [FACTS],
  },
  {
    name: 'what is no database is refused',
    claim: FACT_STORE,
    file: 'lib/lmdb/fact-files.ts',
    from: 'if (expected === undefined) throw unsafe(files.path, `${DATA} is not a database; ${REMEDY}`)',
    to: 'if (expected === undefined) return',
    tests: [FACTS],
  },
  {
    name: 'a fact store takes no facts that have no room',
    claim: 'A full file system refuses facts',
    file: 'lib/lmdb/fact-store.ts',
    from: 'if (this.#writes.hasRoom(units * ROOM_PER_UNIT + MIN_ROOM_BYTES)) return',
    to: 'if (units >= 0) return',
    tests: [FACTS],
    named: 'that is full',
    bundled: true,
  },
  {
    name: 'a listener notices that its socket is gone',
    claim: 'A listener notices that its socket',
    file: 'lib/connection/address-watch.ts',
    from: 'return now === this.#identity && now !== NO_FILE ? undefined : describe(now)',
    to: 'return undefined',
    tests: [LOST],
  },
  {
    name: 'a listener knows its file from the moment it was bound',
    claim: 'A listener notices that its socket',
    file: 'lib/connection/admission.ts',
    from: 'new BoundFile(plan.address, acceptor.boundFile())',
    to: 'new BoundFile(plan.address, null)',
    tests: [LOST],
  },
  {
    name: 'a listener tells once that its socket is gone',
    claim: 'A listener notices that its socket',
    file: 'lib/connection/listener-events.ts',
    from: 'if (told === this.#toldLoss) return',
    to: '',
    tests: [LOST],
  },
  {
    name: 'a swarm node notices that its socket is gone',
    claim: 'A swarm node notices that its socket',
    file: 'lib/swarm/post.ts',
    from: "if (found === 'held' || found === 'unknown') return 'held'",
    to: "if (found.length > 0) return 'held'",
    tests: ['test/unit/swarm/address.test.ts'],
  },
  {
    name: 'a swarm node alerts once that its socket is gone',
    claim: 'A swarm node notices that its socket',
    file: 'lib/swarm/post.ts',
    from: 'if (this.#lossReported) return',
    to: '',
    tests: ['test/unit/swarm/address.test.ts'],
  },
]
