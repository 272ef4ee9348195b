// What the command `bridge` uses of the library. Loading this file loads the clients of NATS, which are optional packages.

export { bridgeCommand } from '../../bridge/command.js'
