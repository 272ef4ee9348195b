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
const MODEL = 'test/property/delivery.test.ts'

const protocol = (file: string): string => `lib/delivery/protocol/${file}.ts`
const sender = (file: string): string => `lib/delivery/sender/${file}.ts`
const receiver = (file: string): string => `lib/delivery/receiver/${file}.ts`

export const deliveryMutations: readonly Mutation[] = [
  {
    name: 'an acknowledgement of another session is refused',
    claim: 'An acknowledgement beyond what was sent',
    file: sender('backlog'),
    from: 'if (session !== this.session)',
    to: 'if (false)',
    tests: [HOSTILE],
  },
  {
    name: 'an acknowledgement of what was never sent is refused',
    claim: 'An acknowledgement beyond what was sent',
    file: sender('backlog'),
    from: 'if (highest > this.#highest)',
    to: 'if (false)',
    tests: [HOSTILE],
  },
  {
    name: 'rejections are settled before the number that covers them',
    file: sender('backlog'),
    from: "if (reason !== undefined) this.#settle(first, last, { status: 'rejected', reason })",
    to: '',
    tests: [POISON],
  },
  {
    name: 'an acknowledgement before an earlier one is refused',
    claim: 'An acknowledgement beyond what was sent',
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
    file: sender('link'),
    from: 'if (first !== this.#next) this.#jumpTo(first)',
    to: '',
    tests: ['test/unit/delivery/full-window.test.ts', MODEL],
  },
  {
    name: 'the last number is stated, so that a refused last line shows',
    file: sender('link'),
    from: 'if (!this.writable || !(isTail || this.#heardRejections)) return',
    to: 'return',
    tests: [REFUSED],
  },
  {
    name: 'memory is not used again while the kernel may read it',
    claim: 'A sender never shows a peer',
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
    claim: 'Malformed, late or backward statements',
    file: receiver('number-flow'),
    from: 'if (first < this.#expected) {\n      throw first === 0',
    to: 'if (first !== 0 && first < this.#expected) {\n      throw first === 0',
    tests: [HOSTILE],
  },
  {
    name: 'a hole that was not stated is refused',
    claim: 'Malformed, late or backward statements',
    file: receiver('number-flow'),
    from: 'if (reason === undefined) {',
    to: 'if (false) {',
    tests: [HOSTILE],
  },
  {
    name: 'statements never go backwards',
    claim: 'Malformed, late or backward statements',
    file: receiver('number-flow'),
    from: 'if (next < this.#expected) {',
    to: 'if (false) {',
    tests: [HOSTILE],
  },
  {
    name: 'a connection carries one session',
    claim: 'Malformed, late or backward statements',
    file: receiver('number-flow'),
    from: 'if (session !== this.session.id) {',
    to: 'if (false) {',
    tests: [HOSTILE],
  },
  {
    name: 'statements of another version are refused',
    claim: 'Malformed, late or backward statements',
    file: protocol('control'),
    from: 'if (message.type === SOCMsgType.Heartbeat && version !== PROTOCOL_VERSION) throw otherVersion(version)',
    to: '',
    tests: [HOSTILE],
  },
  {
    name: 'a settled message is not handed out again',
    file: receiver('dispatcher'),
    from: 'if (session?.isSettled(number) === true) {',
    to: 'if (false) {',
    tests: [MODEL, LEDGER],
  },
  {
    name: 'a message in hand at an earlier connection is not handed out',
    file: receiver('session'),
    from: 'for (const number of former?.onFenced() ?? []) this.#former.add(number)',
    to: 'former?.onFenced()',
    tests: [SETTLEMENT, MODEL],
  },
  {
    name: 'nor when that connection had ended before',
    file: receiver('session'),
    from: 'for (const number of inHand) this.#former.add(number)',
    to: 'void inHand',
    tests: [SETTLEMENT, MODEL],
  },
  {
    name: 'calls that share a loop accept nothing before all of them ask again',
    file: receiver('reader'),
    from: 'return this.#waiting === this.#callers ? this.takeHeld() : []',
    to: 'return this.takeHeld()',
    tests: [SETTLEMENT],
  },
  {
    name: 'a loop that is left releases its message',
    file: receiver('dispatcher'),
    from: 'if (run.isInHand(index)) this.release(run, index, 0)',
    to: '',
    tests: [SETTLEMENT, ACKNOWLEDGED],
  },
  {
    name: 'maxDeliveries ends a poisoned message',
    claim: 'A message whose handler keeps failing',
    file: receiver('dispatcher'),
    from: 'if (deliveries >= this.#options.maxDeliveries) {',
    to: 'if (false) {',
    tests: [POISON],
  },
  {
    name: 'a dead letter is durable before it is told',
    file: receiver('dispatcher'),
    from: 'if (kept === undefined) {',
    to: 'void kept?.catch(() => undefined)\n    if (true) {',
    tests: [POISON],
  },
  {
    name: 'messages of a key wait for each other',
    file: receiver('dispatcher'),
    from: 'const claim = this.#keys?.claim(messageAt(place), place)',
    to: 'const claim = this.#keys?.claim(messageAt(place), place) === "abandoned" ? "abandoned" : "claimed"',
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
    from: 'const bound = (this.#untold[0] ?? Infinity) - 1',
    to: 'const bound = Infinity',
    tests: [POISON],
  },
  {
    name: 'the ledger keeps a session of which something can come again',
    claim: 'The ledger keeps sessions per user',
    file: receiver('session'),
    from: 'this.#settled.through === this.#lowest - 1 &&',
    to: '',
    tests: [LEDGER],
  },
  {
    name: 'the ledger drops a session of which nothing can come again',
    claim: 'The ledger keeps sessions per user',
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
    claim: 'A receiver with a busy application stops reading',
    file: receiver('line-input'),
    from: 'this.#paused = !this.#ended && this.#events.full',
    to: 'this.#paused = false',
    tests: [BUDGET],
  },
  {
    name: 'errors that wait are bounded',
    claim: 'A receiver with a busy application stops reading',
    file: receiver('dispatcher'),
    from: 'return this.#errors < MAX_ERRORS &&',
    to: 'return',
    tests: [BUDGET],
  },
  {
    name: 'heartbeats have a floor',
    claim: 'A sender cannot make a receiver speak',
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
]
