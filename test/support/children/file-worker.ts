// Opens and closes a file of a private directory in a worker thread, and reports the warnings of Node.

import { parentPort, workerData } from 'node:worker_threads'

import { PrivateDirectory } from '../../../lib/binding/private-directory.js'

const { directory } = workerData as { directory: string }
const warnings: string[] = []
process.on('warning', ({ message }) => warnings.push(message))

const files = await PrivateDirectory.open(directory, { create: true })
const descriptor = await files.openFile('file', 'create')
files.closeFile(descriptor)
files.close()
setTimeout(() => {
  parentPort?.postMessage(warnings)
}, 50)
