// The checks of the swarm.

import type { Mutation } from './mutation.js'

const HOSTILE = 'test/integration/swarm-hostile.test.ts'
const BUDGET = 'test/integration/swarm-budget.test.ts'
const USER_CODE = 'test/unit/swarm/user-code.test.ts'
const STORE = 'test/unit/swarm/facts/fact-store.test.ts'
const MESSAGES = 'test/unit/swarm/protocol/messages.test.ts'
const REGISTRY = 'test/unit/swarm/peers/peer-registry.test.ts'
const ALERTS = 'test/unit/swarm/alerts/alert-bus.test.ts'

const WHOLE = 'A swarm page is stored whole or not at all'
const THROWS = 'A store, storage, `onExchange` or alert listener'
const GENES = 'Genes are never changed or deleted'
const IMPORTED = 'Imported facts are always marked'
const BOUNDED = 'Remembered peers, their genes and alerts'

export const swarmMutations: readonly Mutation[] = [
  {
    name: 'an exchange ends in time',
    claim: WHOLE,
    file: 'lib/swarm/exchange/channel.ts',
    from: '}, timeoutMs)\n    this.#signal = signal',
    to: '}, 2 ** 30)\n    this.#signal = signal',
    tests: [HOSTILE],
    named: 'a dialer that begins with',
  },
  {
    name: 'a message names the peer of the handshake',
    claim: WHOLE,
    file: 'lib/swarm/protocol/parse-messages.ts',
    from: "if (entry['from_peer_id'] !== peer.peerId) {",
    to: "if (entry['from_peer_id'] === '') {",
    tests: [HOSTILE],
    named: 'speaks as Go',
  },
  {
    name: 'a peer does not have the id of this node',
    claim: WHOLE,
    file: 'lib/swarm/exchange/handshake.ts',
    from: "if (peer.peerId === registry.selfId) throw invalid('own-id', 'the peer claims the id of this node')\n  const { match",
    to: 'const { match',
    tests: [HOSTILE],
    named: 'our own id',
  },
  {
    name: 'a failed exchange raises an alert',
    claim: WHOLE,
    file: 'lib/swarm/transport.ts',
    from: 'alertAboutFailure(this.#context, role, error, connection.peer, progress)',
    to: 'void alertAboutFailure',
    tests: [HOSTILE],
    named: 'a dialer that begins with',
  },
  {
    name: 'work for a peer is cut into turns',
    claim: 'No line of a hostile swarm peer holds',
    file: 'lib/swarm/exchange/loop-share.ts',
    from: 'const TURN_MS = 4',
    to: 'const TURN_MS = 4000',
    tests: [BUDGET],
    named: 'memory is not held up',
    bundled: true,
  },
  {
    name: 'pages that wait for the store are bounded',
    claim: 'Eight swarm peers that stop half-way',
    file: 'lib/swarm/exchange/page-reader.ts',
    from: 'const MAX_WAITING_UNITS = 1 << 19',
    to: 'const MAX_WAITING_UNITS = 1 << 30',
    tests: [USER_CODE],
  },
  {
    name: 'a store that does not return is given up',
    claim: THROWS,
    file: 'lib/swarm/exchange/channel.ts',
    from: "reject(new IpcError('ERR_IPC_TIMEOUT', message, { reason: STORE_STUCK, cause: this.#failure }))",
    to: 'void [reject, message, STORE_STUCK]',
    tests: [USER_CODE],
  },
  {
    name: 'few exchanges wait for a store that does not return',
    claim: THROWS,
    file: 'lib/swarm/transport.ts',
    from: 'if (this.#stuck >= MAX_STUCK) {',
    to: 'if (this.#stuck >= MAX_STUCK * 1000) {',
    tests: [USER_CODE],
  },
  {
    name: 'what onExchange throws is caught',
    claim: THROWS,
    file: 'lib/swarm/user-code.ts',
    from: '.then(callback)',
    to: '.then((argument) => void callback(argument))',
    tests: [USER_CODE],
  },
  {
    name: 'a storage that does not return is not waited for',
    claim: THROWS,
    file: 'lib/swarm/exchange-alerts.ts',
    from: 'if (!(await settlesWithin(saved, timeoutMs)))',
    to: 'if (await saved.then(() => false))',
    tests: [USER_CODE],
  },
  {
    name: 'genes are not deleted',
    claim: GENES,
    file: 'lib/lmdb/fact-store.ts',
    from: 'if (found.fact.isGene)\n        throw new FactError(',
    to: "if (id === '')\n        throw new FactError(",
    tests: [STORE],
  },
  {
    name: 'genes are not changed',
    claim: GENES,
    file: 'lib/swarm/facts/memory-fact-store.ts',
    from: 'if (here.isGene || fact.isGene)\n',
    to: 'if (here.isGene && fact.id === "")\n',
    tests: [STORE],
  },
  {
    name: 'a gene cannot be forged',
    claim: GENES,
    file: 'lib/swarm/facts/fact.ts',
    from: "if (here.isGene || arriving.isGene) return 'conflict'",
    to: "if (here.isGene || arriving.isGene) return 'same'",
    tests: [HOSTILE, STORE],
    named: 'conflict|gene',
  },
  {
    name: 'imported facts are marked',
    claim: IMPORTED,
    file: 'lib/swarm/protocol/wire-fact.ts',
    from: 'imported = startOf(IMPORTED + source, MAX_SOURCE_UNITS)',
    to: 'imported = startOf(`${source}${IMPORTED.slice(0, 0)}`, MAX_SOURCE_UNITS)',
    tests: [MESSAGES],
  },
  {
    name: 'the mark does not grow for ever',
    claim: IMPORTED,
    file: 'lib/swarm/protocol/wire-fact.ts',
    from: 'imported = startOf(IMPORTED + source, MAX_SOURCE_UNITS)',
    to: 'imported = startOf(IMPORTED + source, MAX_SOURCE_UNITS * 1000)',
    tests: [MESSAGES],
  },
  {
    name: 'remembered peers are bounded',
    claim: BOUNDED,
    file: 'lib/swarm/peers/peer-registry.ts',
    from: 'if (this.#peers.size <= this.#maxPeers) return',
    to: 'if (this.#peers.size >= 0) return',
    tests: [REGISTRY],
  },
  {
    name: 'genes of peers are bounded',
    claim: BOUNDED,
    file: 'lib/swarm/peers/gene-archive.ts',
    from: 'kept.byId.size >= MAX_GENES ||',
    to: '',
    tests: [REGISTRY],
  },
  {
    name: 'genes of peers are bounded in size',
    claim: BOUNDED,
    file: 'lib/swarm/peers/gene-archive.ts',
    from: 'this.#livingUnits + units > MAX_ALL_UNITS',
    to: 'units > MAX_ALL_UNITS',
    tests: [REGISTRY],
  },
  {
    name: 'backups are bounded',
    claim: BOUNDED,
    file: 'lib/swarm/peers/gene-archive.ts',
    from: 'if (this.#backups.size <= MAX_BACKUPS && this.#backupUnits <= MAX_ALL_UNITS) break',
    to: 'if (oldest !== "") break',
    tests: [REGISTRY],
  },
  {
    name: 'alerts are bounded in rate',
    claim: BOUNDED,
    file: 'lib/swarm/alerts/alert-bus.ts',
    from: 'if (++window.passed > MAX_PER_WINDOW) {',
    to: 'if (++window.passed > MAX_PER_WINDOW * 1e9) {',
    tests: [ALERTS],
  },
  {
    name: 'what is known about the rate of alerts is bounded',
    claim: BOUNDED,
    file: 'lib/swarm/alerts/alert-bus.ts',
    from: "const shared = windows.size >= MAX_WINDOWS ? '' : key",
    to: 'const shared = key',
    tests: [ALERTS],
  },
]
