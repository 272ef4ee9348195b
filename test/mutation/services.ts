// What a peer can make an endpoint hold or do, and the checks of typed endpoints and of systemd's helpers.

import type { Mutation } from './mutation.js'

const ENDPOINT = ['test/unit/services/endpoint.test.ts']
const HOSTILE = ['test/unit/services/endpoint-hostile.test.ts']
const WAITS = ['test/unit/services/endpoint-waits.test.ts']
const TYPED = ['test/unit/services/typed.test.ts']
const NOTIFY = ['test/unit/systemd/notify.test.ts']
const LISTEN_FDS = ['test/unit/systemd/listen-fds.test.ts']

const BOUNDED = 'An `Endpoint` bounds in bytes'
const REPLIES = 'Replies that are late, duplicate or forged'

export const servicesMutations: readonly Mutation[] = [
  {
    name: 'services: a kept message is charged for its read',
    claim: BOUNDED,
    file: 'lib/message/held-reads.ts',
    from: 'return Math.max(lines, first',
    to: 'return Math.min(200, first',
    tests: HOSTILE,
  },
  {
    name: 'requests that wait for a reply are bounded',
    claim: BOUNDED,
    file: 'lib/services/pending-requests.ts',
    from: 'this.#bytes + messageBytes + OVERHEAD_BYTES <= this.#maxBytes',
    to: 'messageBytes + OVERHEAD_BYTES <= Infinity + this.#maxBytes',
    tests: WAITS,
  },
  {
    name: 'handlers that run are bounded',
    claim: BOUNDED,
    file: 'lib/services/running-handlers.ts',
    from: 'this.bytes + this.#read.cost + OVERHEAD_BYTES <= this.#maxBytes',
    to: 'OVERHEAD_BYTES <= Infinity + this.#maxBytes',
    tests: [...HOSTILE, ...WAITS],
  },
  {
    name: 'replies that the peer does not read are bounded',
    claim: BOUNDED,
    file: 'lib/services/outbox.ts',
    from: 'this.#unsentBytes + sizeBound(message) <= this.#maxBytes',
    to: 'sizeBound(message) <= Infinity',
    tests: HOSTILE,
  },
  {
    name: 'messages that are not read are bounded',
    claim: BOUNDED,
    file: 'lib/services/message-feed.ts',
    from: "if (this.#state === 'unread' && (this.bytes >= this.#maxBytes || this.#crowded)) {",
    to: 'if (this.bytes === Infinity && this.#maxBytes > 0 && this.#crowded) {',
    tests: [...ENDPOINT, ...HOSTILE],
  },
  {
    name: 'a reply to no request is only counted',
    claim: REPLIES,
    file: 'lib/services/outgoing-requests.ts',
    from: '++this.#unknownReplies\n      return',
    to: 'return',
    tests: HOSTILE,
  },
  {
    name: 'an id in use is refused',
    claim: REPLIES,
    file: 'lib/services/incoming-requests.ts',
    from: "else if (this.#running.has(id)) this.#refuse(id, duplicateId, 'a request with this id is being handled')",
    to: 'else if (this.#running.has(`${id}${duplicateId}`)) return true',
    tests: HOSTILE,
  },
  {
    name: 'an error of the peer is cut',
    claim: REPLIES,
    file: 'lib/services/reply.ts',
    from: 'message: message.slice(0, MAX_MESSAGE_LENGTH) }',
    to: 'message: message.slice(0, MAX_MESSAGE_LENGTH * 100) }',
    tests: HOSTILE,
  },
  {
    name: 'services: a withdrawn request gets no reply',
    file: 'lib/services/incoming-requests.ts',
    from: 'if (!running.cancelled) reply = ',
    to: 'reply = ',
    tests: WAITS,
  },
  {
    name: 'services: an endpoint that is full reads no further',
    claim: BOUNDED,
    file: 'lib/services/inbox.ts',
    from: 'while (this.#mustWait()) await this.#waitForRoom(bytes)',
    to: 'if (false as boolean) await this.#waitForRoom(bytes)',
    tests: [...ENDPOINT, ...HOSTILE],
  },
  {
    name: 'services: violations are bounded',
    file: 'lib/services/validated.ts',
    from: 'if (this.#invalid <= this.#maxInvalid) return',
    to: 'if (true as boolean) return',
    tests: TYPED,
  },
  {
    name: 'services: an acknowledged violation is rejected',
    file: 'lib/services/validated.ts',
    from: 'if (deliveryOf(message) !== undefined) message.reject(error.message)',
    to: '',
    tests: TYPED,
  },
  {
    name: 'systemd: descriptors of another process are not taken',
    file: 'lib/systemd/listen-fds.ts',
    from: '  if (forProcess !== process.pid) return []\n',
    to: '',
    tests: LISTEN_FDS,
  },
  {
    name: 'systemd: a status is one line',
    file: 'lib/systemd/notify.ts',
    from: ".replace(/[\\r\\n]+/g, ' ')",
    to: '',
    tests: NOTIFY,
  },
  {
    name: 'systemd: a notification waits for room',
    file: 'lib/systemd/notify.ts',
    from: '!wouldBlock(error) || ',
    to: 'true || ',
    tests: NOTIFY,
  },
  {
    name: 'systemd: the watchdog barks at half of the interval',
    file: 'lib/systemd/watchdog.ts',
    from: 'usec / 2000',
    to: 'usec / 1000',
    tests: NOTIFY,
  },
  {
    name: 'systemd: an unwell service is not reported alive',
    file: 'lib/systemd/watchdog.ts',
    from: 'if (check !== undefined && !(await isWell(check))) return',
    to: 'if (check !== undefined) await isWell(check)',
    tests: NOTIFY,
  },
]
