// Between JavaScript values and the plain types of the layers below, and from failures to exceptions.

#ifndef SENTINEL_NODE_CONVERT_H_
#define SENTINEL_NODE_CONVERT_H_

#include "admission/peer_policy.h"
#include "node/script.h"
#include "platform/platform.h"

namespace sentinel {

// An Error with `kind`, `errno` (negative, as Node counts them) and `syscall`. lib/binding/native-error.ts makes an
// IpcError of it.
Value ToError(napi_env env, const Failure& failure);
void Throw(napi_env env, const Failure& failure);

// { pid, uid, gid, groups, executable, unit, label, sid }. uid and gid are null where the system has no such
// numbers; texts that are not known are empty.
Value ToObject(napi_env env, const PeerIdentity& peer);

// "device:inode".
Value ToValue(napi_env env, const FileIdentity& file);

// { users: Uint32Array, groups: Uint32Array, executables: string[], units: string[], labels: string[],
//   sids: string[], foreignNamespaces: boolean }
PeerPolicy ToPolicy(Value value);

// The name of a failure's kind, as lib/binding/abi.ts lists them.
const char* KindName(FailureKind kind);

}  // namespace sentinel

#endif  // SENTINEL_NODE_CONVERT_H_
