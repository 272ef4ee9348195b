#include "node/convert.h"

#include <string>
#include <vector>

namespace sentinel {
namespace {

std::vector<std::uint32_t> ToIds(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) return {};
  const auto array = value.As<Napi::Uint32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::vector<std::string> ToTexts(const Napi::Value& value) {
  std::vector<std::string> texts;
  if (!value.IsArray()) return texts;
  const auto array = value.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length(); ++i) texts.push_back(array.Get(i).ToString());
  return texts;
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
  return "system";
}

void Throw(Napi::Env env, const Failure& failure) {
  Napi::Object error = Napi::Error::New(env, failure.detail).Value();
  error.Set("kind", KindName(failure.kind));
  error.Set("errno", -failure.code);
  error.Set("syscall", failure.operation);
  napi_throw(env, error);
}

void ThrowMisuse(Napi::Env env, const char* message) {
  Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
}

Napi::Object ToObject(Napi::Env env, const PeerIdentity& peer) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("pid", static_cast<double>(peer.process_id));
  object.Set("uid", peer.user_id.has_value() ? Napi::Number::New(env, *peer.user_id) : env.Null());
  object.Set("gid", peer.group_id.has_value() ? Napi::Number::New(env, *peer.group_id) : env.Null());
  Napi::Array groups = Napi::Array::New(env, peer.groups.size());
  for (std::uint32_t i = 0; i < peer.groups.size(); ++i) groups.Set(i, Napi::Number::New(env, peer.groups[i]));
  object.Set("groups", groups);
  object.Set("executable", peer.executable);
  object.Set("label", peer.label);
  object.Set("sid", peer.security_id);
  return object;
}

PeerPolicy ToPolicy(const Napi::Value& value) {
  if (!value.IsObject()) return {};  // lets nobody in
  const auto object = value.As<Napi::Object>();
  return {ToIds(object.Get("users")), ToIds(object.Get("groups")), ToTexts(object.Get("executables")),
          ToTexts(object.Get("labels")), ToTexts(object.Get("sids"))};
}

std::size_t ToSize(const Napi::Value& value) {
  if (!value.IsNumber()) return 0;
  const double number = value.As<Napi::Number>().DoubleValue();
  return number > 0 && number < 9007199254740992.0 ? static_cast<std::size_t>(number) : 0;
}

}  // namespace sentinel
