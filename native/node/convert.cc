#include "node/convert.h"

#include <optional>
#include <string>
#include <vector>

namespace sentinel {
namespace {

std::vector<std::uint32_t> ToIds(Value value) {
  const std::optional<View<std::uint32_t>> ids = value.ToView<std::uint32_t>();
  if (!ids.has_value()) return {};
  return {ids->data, ids->data + ids->size};
}

std::vector<std::string> ToTexts(Value value) {
  std::vector<std::string> texts(value.Length());
  for (std::uint32_t i = 0; i < texts.size(); ++i) texts[i] = value.At(i).ToText();
  return texts;
}

Value NumberOrNull(napi_env env, const std::optional<std::uint32_t>& number) {
  return number.has_value() ? Value::Number(env, *number) : Value::Null(env);
}

}  // namespace

const char* KindName(FailureKind kind) {
  switch (kind) {
    case FailureKind::kSystem: return "system";
    case FailureKind::kWouldBlock: return "would-block";
    case FailureKind::kExhausted: return "exhausted";
    case FailureKind::kUnsafePath: return "unsafe-path";
    case FailureKind::kPathTooLong: return "path-too-long";
    case FailureKind::kAddressInUse: return "address-in-use";
    case FailureKind::kNotListening: return "not-listening";
    case FailureKind::kPeerUnknown: return "peer-unknown";
    case FailureKind::kNotFound: return "not-found";
    case FailureKind::kNotSupported: return "not-supported";
  }
  return "";
}

Value ToError(napi_env env, const Failure& failure) {
  const Value error = Value::Error(env, failure.detail);
  error.Set("kind", KindName(failure.kind));
  error.Set("errno", -failure.code);
  error.Set("syscall", failure.operation);
  return error;
}

void Throw(napi_env env, const Failure& failure) { ThrowValue(ToError(env, failure)); }

Value ToObject(napi_env env, const PeerIdentity& peer) {
  const Value object = Value::Object(env);
  object.Set("pid", static_cast<double>(peer.process_id));
  object.Set("uid", NumberOrNull(env, peer.user_id));
  object.Set("gid", NumberOrNull(env, peer.group_id));
  const Value groups = Value::List(env);
  for (const std::uint32_t group : peer.groups) groups.Append(Value::Number(env, group));
  object.Set("groups", groups);
  object.Set("executable", peer.executable);
  object.Set("unit", peer.unit);
  object.Set("label", peer.label);
  object.Set("sid", peer.security_id);
  return object;
}

Value ToValue(napi_env env, const FileIdentity& file) {
  return Value::Text(env, std::to_string(file.device) + ":" + std::to_string(file.inode));
}

PeerPolicy ToPolicy(Value value) {
  const Value users = value.Get("users");
  const Value groups = value.Get("groups");
  const Value executables = value.Get("executables");
  const Value units = value.Get("units");
  const Value labels = value.Get("labels");
  const Value security_ids = value.Get("sids");
  // A policy that lost one of its narrowing lists would admit more, so a policy is read whole or admits no peer.
  for (const Value& list : {users, groups, executables, units, labels, security_ids}) {
    if (!list.IsObject()) return {};
  }
  PeerPolicy policy;
  policy.users = ToIds(users);
  policy.groups = ToIds(groups);
  policy.executables = ToTexts(executables);
  policy.units = ToTexts(units);
  policy.labels = ToTexts(labels);
  policy.security_ids = ToTexts(security_ids);
  policy.foreign_namespaces = value.Get("foreignNamespaces").ToBoolean();
  return policy;
}

}  // namespace sentinel
