// Dials, as often as it takes, and sends three events.
import { dialWithRetry, newSOCMessage, Sender, SOCMsgType } from 'sentinel-ipc'

const sender = new Sender(await dialWithRetry('events', 10), 'collector')
for (const action of ['login_failed', 'login_failed', 'login']) {
  await sender.send(newSOCMessage(SOCMsgType.Event, { host: 'web-01', action }))
}
await sender.close()
