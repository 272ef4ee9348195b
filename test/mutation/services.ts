// Checks of services and of systemd's helpers that must not be removed, and the tests that notice.

import type { Mutation } from './mutation.js'

const HOSTILE = ['test/unit/services/endpoint-hostile.test.ts']
const WAITS = ['test/unit/services/endpoint-waits.test.ts']
const TYPED = ['test/unit/services/typed.test.ts']
const NOTIFY = ['test/unit/systemd/notify.test.ts']
const LISTEN_FDS = ['test/unit/systemd/listen-fds.test.ts']

export const servicesMutations: readonly Mutation[] = [
  {
    name: 'services: a kept message is charged for its read',
    file: 'lib/services/kept-reads.ts',
    from: '    this.#runBytes = runBytes\n',
    to: '    this.#runBytes = Math.min(runBytes, 200)\n',
    tests: HOSTILE,
  },
  {
    name: 'services: requests without a reply are bounded',
    file: 'lib/services/outgoing-requests.ts',
    from: 'if (!this.#pending.fits(bytes)) {',
    to: 'if (false as boolean) {',
    tests: WAITS,
  },
  {
    name: 'services: handlers at work are bounded',
    file: 'lib/services/incoming-requests.ts',
    from: 'else if (!this.#running.fits()) this',
    to: 'else if (false as boolean) this',
    tests: [...HOSTILE, ...WAITS],
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
    file: 'lib/services/endpoint.ts',
    from: 'while (this.#mustWait()) await this.#room.wait()',
    to: 'if (false as boolean) await this.#room.wait()',
    tests: ['test/unit/services/endpoint.test.ts', ...HOSTILE],
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
