// The checks of acknowledged delivery.

import type { Mutation } from './mutation.js'

const HOSTILE = 'test/unit/delivery/hostile-peer.test.ts'
const SETTLEMENT = 'test/unit/delivery/settlement.test.ts'
const POISON = 'test/unit/delivery/poison.test.ts'
const REFUSED = 'test/unit/delivery/refused-lines.test.ts'
const LEDGER = 'test/unit/delivery/ledger.test.ts'
const SILENT = 'test/unit/delivery/silent-peer.test.ts'
const BUDGET = 'test/unit/delivery/budget.test.ts'
const ACKNOWLEDGED = 'test/unit/delivery/acknowledged.test.ts'
const FLOODS = 'test/unit/delivery/floods.test.ts'
const FAULTY = 'test/unit/delivery/faulty-spool.test.ts'
const MODEL = 'test/property/delivery.test.ts'

const protocol = (file: string): string => `lib/delivery/protocol/${file}.ts`
const sender = (file: string): string => `lib/delivery/sender/${file}.ts`
const receiver = (file: string): string => `lib/delivery/receiver/${file}.ts`

export const deliveryMutations: readonly Mutation[] = [
  {
    name: 'an acknowledgement of another session is refused',
    file: sender('backlog'),
    from: 'if (session !== this.session)',
    to: 'if (false)',
    tests: [HOSTILE],
  },
  {
    name: 'an acknowledgement of what was never sent is refused',
    file: sender('backlog'),
    from: 'if (highest > this.#highest)',
    to: 'if (false)',
    tests: [HOSTILE],
  },
  {
    name: 'rejections are settled before the number that covers them',
    file: sender('backlog'),
    from: "if (reason !== undefined) settled += this.#settle(first, last, { status: 'rejected', reason })",
    to: '',
    tests: [POISON],
  },
  {
    name: 'an acknowledgement before an earlier one is refused',
    file: sender('link'),
    from: 'if (through < this.#through)',
    to: 'if (false)',
    tests: [HOSTILE],
  },
  {
    name: 'a receiver without a greeting is refused',
    file: sender('link'),
    from: "if (this.#state === 'greeting' && greeting === undefined) throw otherVersion(undefined)",
    to: '',
    tests: [HOSTILE],
  },
  {
    name: 'numbers that jump are stated as gone',
    file: sender('statements'),
    from: 'if (first !== this.#next) {',
    to: 'if (false) {',
    tests: ['test/unit/delivery/full-window.test.ts', MODEL],
  },
  {
    name: 'the last number is stated, so that a refused last line shows',
    file: sender('statements'),
    from: 'if (isTail || this.#heardRejections) this.sayNow()',
    to: '',
    tests: [REFUSED],
  },
  {
    name: 'memory is not used again while the kernel may read it',
    file: sender('memory-store'),
    from: 'if (whole && slab !== undefined && !run.held) returnSlab(slab)',
    to: 'if (whole && slab !== undefined) returnSlab(slab)',
    tests: [HOSTILE],
  },
  {
    name: 'send refuses what the receiver does not take',
    file: sender('backlog'),
    from: 'this.#maxLineBytes = lineLimit(maxMessageBytes)',
    to: 'void lineLimit(maxMessageBytes)',
    tests: [REFUSED],
  },
  {
    name: 'send refuses what is nested too deeply',
    file: sender('refusal'),
    from: 'return !wasChecked(message) || boundOf(message) >= DEEP_LINE_BYTES',
    to: 'return !wasChecked(message)',
    tests: [REFUSED],
  },
  {
    name: 'a line must state a number',
    file: receiver('number-flow'),
    from: 'if (first < this.#expected) {\n      throw first === 0',
    to: 'if (first !== 0 && first < this.#expected) {\n      throw first === 0',
    tests: [HOSTILE],
  },
  {
    name: 'a hole that was not stated is refused',
    file: receiver('number-flow'),
    from: 'if (reason === undefined) {',
    to: 'if (false) {',
    tests: [HOSTILE],
  },
  {
    name: 'statements never go backwards',
    file: receiver('number-flow'),
    from: 'if (next < this.#expected) {',
    to: 'if (false) {',
    tests: [HOSTILE],
  },
  {
    name: 'a connection carries one session',
    file: receiver('number-flow'),
    from: 'if (session !== this.session.id) {',
    to: 'if (false) {',
    tests: [HOSTILE],
  },
  {
    name: 'statements of another version are refused',
    file: protocol('control'),
    from: 'if (message.type === SOCMsgType.Heartbeat && version !== PROTOCOL_VERSION) throw otherVersion(version)',
    to: '',
    tests: [HOSTILE],
  },
  {
    name: 'a settled message is not handed out again',
    file: receiver('selection'),
    from: 'if (session?.isSettled(number) === true) {',
    to: 'if (false) {',
    tests: [MODEL, LEDGER],
  },
  {
    name: 'a message in hand at an earlier connection is not handed out',
    file: receiver('session'),
    from: 'if (former !== undefined) this.#addFormer(former.onFenced())',
    to: 'former?.onFenced()',
    tests: [SETTLEMENT, MODEL],
  },
  {
    name: 'nor when that connection had ended before',
    file: receiver('session'),
    from: 'this.#addFormer(inHand)',
    to: 'void inHand',
    tests: [SETTLEMENT, MODEL],
  },
  {
    name: 'a second call of a loop accepts nothing',
    file: receiver('dispatcher'),
    from: 'if (autoAck && reader.isBusy) return rejected(overlapping(name))',
    to: '',
    tests: [SETTLEMENT],
  },
  {
    name: 'a loop that is left releases its message',
    file: receiver('dispatcher'),
    from: 'if (held !== undefined) this.#settlements.releaseHand(held)',
    to: '',
    tests: [SETTLEMENT, ACKNOWLEDGED],
  },
  {
    name: 'maxDeliveries ends a poisoned message',
    file: receiver('settlements'),
    from: 'if (run.deliveriesAt(index) >= this.#rules.maxDeliveries) {',
    to: 'if (false) {',
    tests: [POISON],
  },
  {
    name: 'a dead letter is durable before it is told',
    file: receiver('settlements'),
    from: 'if (kept === undefined) {',
    to: 'if (true) {',
    tests: [POISON],
  },
  {
    name: 'messages of a key wait for each other',
    file: receiver('returned-messages'),
    from: "this.#keys?.claim(messageAt(place), place.run.keyAt(place.index), place) ?? 'claimed'",
    to: "('claimed' as Claim)",
    tests: [POISON],
  },
  {
    name: 'rejections are kept until the sender has stated that it knows',
    file: receiver('session'),
    from: 'this.#rejections.set(number, reason.slice(0, MAX_REASON_LENGTH))',
    to: '',
    tests: [REFUSED, POISON],
  },
  {
    name: 'no acknowledgement covers a rejection that it does not name',
    file: receiver('session'),
    from: 'const bound = (this.#untold.first ?? Infinity) - 1',
    to: 'const bound = Infinity',
    tests: [POISON],
  },
  {
    name: 'the ledger keeps a session of which something can come again',
    file: receiver('session'),
    from: 'this.#settled.through === this.#lowest - 1 &&',
    to: '',
    tests: [LEDGER],
  },
  {
    name: 'the ledger drops a session of which nothing can come again',
    file: receiver('ledger'),
    from: 'if (sessions?.get(session.id) !== session || session.inUse || !session.isClean) return',
    to: 'return',
    tests: [LEDGER],
  },
  {
    name: 'a busy loop of our own is not silence',
    file: protocol('silence-watch'),
    from: 'if (this.#timer === undefined || this.#isHeard()) return',
    to: '',
    tests: [SILENT],
  },
  {
    name: 'reading stops when enough waits',
    file: receiver('line-input'),
    from: 'this.#paused = !this.#ended && this.#events.full',
    to: 'this.#paused = false',
    tests: [BUDGET],
  },
  {
    name: 'errors that wait are bounded',
    file: receiver('received-queue'),
    from: 'return this.#errors < MAX_ERRORS',
    to: 'return true',
    tests: [BUDGET],
  },
  {
    name: 'heartbeats have a floor',
    file: receiver('acknowledger'),
    from: 'const paceMs = Math.max(heartbeatMs, this.#minHeartbeatMs)',
    to: 'const paceMs = heartbeatMs',
    tests: [BUDGET],
  },
  {
    name: 'redials have a floor',
    file: sender('redialler'),
    from: 'if (useful || now - startedAt > GOOD_AFTER_MS) tries = 0',
    to: 'tries = 0',
    tests: [SILENT],
  },
  {
    name: 'a call stays under way until its caller sees the message',
    file: receiver('reader'),
    from: "this.#state = 'landing'",
    to: "this.#state = 'idle'",
    tests: [SETTLEMENT],
  },
  {
    name: 'accepted ranges beyond the first 64 are told',
    file: receiver('acknowledger'),
    from: 'if (later && !more) this.#tellSoon(Math.max(this.#delayMs, LEAST_LATER_MS))',
    to: '',
    tests: [FLOODS],
  },
  {
    name: 'statements that say nothing new are bounded',
    file: receiver('number-flow'),
    from: 'this.#budget.spend()',
    to: '',
    tests: [FLOODS],
  },
  {
    name: 'an honest sender may state a jump in front of each line',
    file: receiver('number-flow'),
    from: 'this.#budget.earn(count)',
    to: '',
    tests: [FLOODS],
  },
  {
    name: 'acknowledgements that settle nothing are bounded',
    file: sender('link'),
    from: 'else this.#budget.spend()',
    to: '',
    tests: [FLOODS],
  },
  {
    name: 'a call of the spool that throws ends the sender',
    file: sender('spool-store'),
    from: 'this.#events.onFailed(error)',
    to: 'void error',
    tests: [FAULTY],
  },
  {
    name: 'a disk that hangs does not make close wait',
    file: sender('acknowledged-sender'),
    from: 'if (!(await settlesWithin(released, RELEASE_WITHIN_MS))) {',
    to: 'if (await released.then(() => false)) {',
    tests: [FAULTY],
  },
  {
    name: 'orderBy runs before anything is changed',
    file: receiver('dispatcher'),
    from: "if (this.#state === 'closed') {",
    to: 'if (false) {',
    tests: ['test/unit/delivery/user-code.test.ts'],
  },
]
