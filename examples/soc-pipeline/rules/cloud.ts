// Reads records of AWS CloudTrail, one a line, as its log files have them below `Records`.

import { text, type Fields, type Happening } from './happening.js'

/** Returns what a record reports: a sign-in to the console, or another call of the management interface. */
export function cloudFact(event: Fields): Happening {
  const identity = fieldsOf(event, 'userIdentity')
  const user = text(identity, 'userName', 'arn', 'principalId', 'type') || 'unknown user'
  const from = text(event, 'sourceIPAddress')
  const call = text(event, 'eventName')
  if (call === 'ConsoleLogin') {
    const ok = text(fieldsOf(event, 'responseElements'), 'ConsoleLogin') === 'Success'
    return { kind: 'logon', ok, user, from, remote: true, session: '', times: 1 }
  }
  const request = fieldsOf(event, 'requestParameters')
  return {
    kind: 'cloud-call',
    service: text(event, 'eventSource').replace(/\.amazonaws\.com$/, ''),
    call,
    user,
    isRoot: text(identity, 'type') === 'Root',
    from,
    error: text(event, 'errorCode'),
    target: text(request, 'userName', 'name', 'bucketName', 'roleName', 'groupId', 'secretId', 'instanceId'),
  }
}

function fieldsOf(event: Fields, name: string): Fields {
  const value = event[name]
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}
