// The part of the library that the command `bridge` uses. Loading this file loads the clients of NATS, which are
// optional packages.

export { bridgeCommand } from '../../bridge/command.js'
