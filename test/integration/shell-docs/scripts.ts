// The blocks of `sh` that run in a shell, with what a reader has around them.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

import { NatsServer, whyNoServer } from '../../bridge/nats-server.js'
import { listen } from '../../../lib/connection/listener.js'
import { AcknowledgingReceiver } from '../../../lib/delivery/index.js'
import { serve } from '../../../lib/services/server.js'
import { temporaryDirectory } from '../../support/directory.js'
import type { Surroundings } from './surroundings.js'

export interface Script extends Surroundings {
  readonly after?: string
  /** What the commands print, in order. */
  readonly prints: readonly (string | RegExp)[]
  readonly skipped?: string | undefined
}

const SEND_OVER_THE_BROKER = [
  'until [ -S ingest.sock ]; do sleep 0.1; done',
  'sentinel-ipc send ingest --ack --timeout 20s --type soc_event --payload \'"over the broker"\' && echo sent',
  'until [ -s handled ]; do sleep 0.1; done',
].join('\n')

export const SCRIPTS: readonly Script[] = [
  {
    page: 'docs/cli.md',
    has: 'source <(sentinel-ipc completion bash)',
    setUp: (directory) => {
      mkdirSync(join(directory, '.zfunc'))
    },
    after: 'complete -p sentinel-ipc; head -n 1 ~/.zfunc/_sentinel-ipc',
    prints: ['complete -F _sentinel_ipc sentinel-ipc', '#compdef sentinel-ipc'],
  },
  {
    page: 'docs/troubleshooting.md',
    has: 'npx sentinel-ipc doctor NAME --directory DIR ',
    instead: (directory) => ({ NAME: 'events', DIR: directory }),
    prints: [
      /^! socket .* does not exist$/,
      /^✗ dial /,
      /^cause: .* \[nothing\]$/,
      /^remedy: start the listener/,
      /^✓ listen /,
      'ok',
    ],
  },
  {
    page: 'docs/fleet.md',
    has: 'sentinel-ipc bridge --from ingest',
    skipped: whyNoServer,
    setUp: async (directory) => {
      const server = await NatsServer.start(temporaryDirectory())
      onTestFinished(() => server.kill())
      writeFileSync(join(directory, 'url'), server.url)
      const correlator = serve(await listen('correlate', { directory }), async (connection) => {
        for await (const message of new AcknowledgingReceiver(connection, 'correlator')) {
          writeFileSync(join(directory, 'handled'), String(message.payload))
        }
      })
      onTestFinished(async () => {
        await correlator.close({ timeoutMs: 100 })
      })
    },
    instead: (directory) => ({
      'nats://broker:4222': '$(cat url)',
      '/var/lib/sentinel/bridge': `${directory}/spool`,
      // The two that go on until they are ended.
      '# on each host': '2> out.log &',
      // Once a message has arrived, the bridge has made its stream.
      '# where messages are handled': `2> in.log &\n${SEND_OVER_THE_BROKER}`,
      '# reports problems, changes nothing': '> check.log',
    }),
    after: 'cat handled; echo; kill %1 %2; wait; cat check.log',
    prints: ['sent', 'over the broker', /^ok {6}connected to /, /^ok {6}may publish to /],
  },
]
