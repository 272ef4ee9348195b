// Between JavaScript values and the plain types of the core, and from failures to exceptions.

#ifndef SENTINEL_NODE_CONVERT_H_
#define SENTINEL_NODE_CONVERT_H_

#include <napi.h>

#include <cstddef>

#include "admission/peer_policy.h"
#include "platform/platform.h"

namespace sentinel {

// The name of a kind in `kind` of errors.
const char* KindName(FailureKind kind);
// Throws an Error with `kind`, `errno` (negative, as Node has it) and `syscall`; lib/binding/addon.ts makes an
// IpcError of it.
void Throw(Napi::Env env, const Failure& failure);
// Throws a TypeError: our own TypeScript has called with arguments that it never should.
void ThrowMisuse(Napi::Env env, const char* message);

// { pid, uid, gid, groups, executable, label, sid }, uid and gid null and texts empty where there are none.
Napi::Object ToObject(Napi::Env env, const PeerIdentity& peer);

// { users: Uint32Array, groups: Uint32Array, executables: string[], labels: string[], sids: string[] }
PeerPolicy ToPolicy(const Napi::Value& value);

// Whole numbers from JavaScript, where anything may come: negative, fractional and NaN become 0.
std::size_t ToSize(const Napi::Value& value);

}  // namespace sentinel

#endif  // SENTINEL_NODE_CONVERT_H_
