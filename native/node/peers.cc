#include "node/peers.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admission/peer_policy.h"
#include "admission/peer_watcher.h"
#include "node/convert.h"
#include "node/environment.h"

namespace sentinel {
namespace {

// connect(path, policy) → an identity with a `descriptor`, or with a `reason` when the policy refuses the server.
// Throws what keeps it from connecting.
Napi::Value ConnectFromScript(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsString()) {
    ThrowMisuse(env, "connect: wrong arguments");
    return {};
  }
  Environment& environment = Environment::Of(env);
  if (Status prepared = environment.PrepareConnections(); !prepared.ok()) {
    Throw(env, prepared.failure());
    return {};
  }
  Result<OwnedDescriptor> connected = Connect(info[0].As<Napi::String>());
  if (!connected.ok()) {
    Throw(env, connected.failure());
    return {};
  }
  Result<PeerIdentity> peer = ReadPeerIdentity(connected.value().get());
  if (!peer.ok()) {
    Throw(env, peer.failure());
    return {};
  }
  const PeerPolicy policy = ToPolicy(info[1]);
  Verdict verdict = Judge(peer.value(), policy, environment.unmapped);
  if (verdict == Verdict::kAdmitted) {
    ReadPeerDetails(connected.value().get(), peer.value());
    verdict = JudgeDetails(peer.value(), policy);
  }
  Napi::Object object = ToObject(env, peer.value());
  if (verdict != Verdict::kAdmitted) {
    object.Set("reason", VerdictName(verdict));
    return object;
  }
  environment.handed.Forget();
  Result<int> number = environment.GiveConnected(std::move(connected.value()));
  if (!number.ok()) {
    Throw(env, number.failure());
    return {};
  }
  object.Set("descriptor", number.value());
  return object;
}

// resolveUser(name), resolveGroup(name) → number, resolveSid(account) → text; null when there is none of that name
template <typename Id, Result<Id> (*resolve)(const std::string&)>
Napi::Value ResolveFromScript(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsString()) {
    ThrowMisuse(env, "resolve: wrong arguments");
    return {};
  }
  Result<Id> id = resolve(info[0].As<Napi::String>());
  if (id.ok()) return Napi::Value::From(env, id.value());
  if (id.failure().kind == FailureKind::kNotFound) return env.Null();
  Throw(env, id.failure());
  return {};
}

// ownUser() → { uid: number | null, sid }
Napi::Value OwnUserFromScript(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::optional<std::uint32_t> number = OwnUserId();
  Result<std::string> security_id = OwnSecurityId();
  if (!security_id.ok()) {
    Throw(env, security_id.failure());
    return {};
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("uid", number.has_value() ? Napi::Number::New(env, *number) : env.Null());
  object.Set("sid", security_id.value());
  return object;
}

// findGone(descriptors: Int32Array) → the indices of those whose peer has gone and left nothing to read; an entry
// below 0 is passed over
Napi::Value FindGoneFromScript(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsTypedArray() ||
      info[0].As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    ThrowMisuse(env, "findGone: wrong arguments");
    return {};
  }
  const auto numbers = info[0].As<Napi::Int32Array>();
  std::vector<Descriptor> connected;
  connected.reserve(numbers.ElementLength());
  for (std::size_t i = 0; i < numbers.ElementLength(); ++i)
    connected.push_back(numbers[i] < 0 ? Descriptor::kNone : FromLoopNumber(numbers[i]));
  Napi::Array indices = Napi::Array::New(env);
  for (const std::size_t index : FindGone(connected)) {
    indices.Set(indices.Length(), Napi::Number::New(env, static_cast<double>(index)));
  }
  return indices;
}

// addressOf(descriptor) → the path that a listening descriptor stands at, or ''
Napi::Value AddressOfFromScript(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), AddressOf(FromLoopNumber(static_cast<int>(ToSize(info[0])))));
}

// new PeerWatcher(); takeNotifyDescriptor() → number, once; watch(number, descriptor) → whether this system can
// tell; forget(number); stop()
class PeerWatcherObject final : public Napi::ObjectWrap<PeerWatcherObject>, public EnvironmentMember {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "PeerWatcher",
                       {
                           InstanceMethod<&PeerWatcherObject::Watch>("watch"),
                           InstanceMethod<&PeerWatcherObject::Forget>("forget"),
                           InstanceMethod<&PeerWatcherObject::TakeNotifyDescriptor>("takeNotifyDescriptor"),
                       });
  }

  explicit PeerWatcherObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PeerWatcherObject>(info) {
    Result<NotifyPair> notify = CreateNotifyPair();
    if (!notify.ok()) {
      Throw(info.Env(), notify.failure());
      return;
    }
    Result<std::unique_ptr<PeerWatcher>> watcher = PeerWatcher::Start(std::move(notify.value().thread));
    if (!watcher.ok()) {
      Throw(info.Env(), watcher.failure());
      return;
    }
    watcher_ = std::move(watcher.value());
    notify_loop_end_ = std::move(notify.value().loop);
    environment_ = &Environment::Of(info.Env());
    environment_->members.insert(this);
  }

  ~PeerWatcherObject() override {
    if (environment_ != nullptr) environment_->members.erase(this);
  }

  void EnvironmentEnds() override {
    watcher_->Stop();
    handed_.Reclaim();
    environment_ = nullptr;
  }

 private:
  Napi::Value Watch(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Result<OwnedDescriptor> process = OpenPeerProcess(FromLoopNumber(static_cast<int>(ToSize(info[1]))));
    if (process.ok()) {
      watcher_->Watch(ToSize(info[0]), std::move(process.value()));
      return Napi::String::New(env, "watching");
    }
    switch (process.failure().kind) {
      case FailureKind::kPeerUnknown: return Napi::String::New(env, "ended");
      case FailureKind::kNotSupported: return Napi::String::New(env, "not-supported");
      default: Throw(env, process.failure()); return {};
    }
  }

  Napi::Value Forget(const Napi::CallbackInfo& info) {
    watcher_->Forget(ToSize(info[0]));
    return info.Env().Undefined();
  }

  Napi::Value TakeNotifyDescriptor(const Napi::CallbackInfo& info) {
    if (!notify_loop_end_.valid()) {
      ThrowMisuse(info.Env(), "PeerWatcher: the notify descriptor was taken already");
      return {};
    }
    Result<int> number = handed_.Hand(std::move(notify_loop_end_));
    if (number.ok()) return Napi::Number::New(info.Env(), number.value());
    Throw(info.Env(), number.failure());
    return {};
  }

  std::unique_ptr<PeerWatcher> watcher_;
  OwnedDescriptor notify_loop_end_;
  HandedDescriptors handed_;
  Environment* environment_ = nullptr;
};

}  // namespace

void DefinePeers(Napi::Env env, Napi::Object exports) {
  exports.Set("PeerWatcher", PeerWatcherObject::Define(env));
  exports.Set("connect", Napi::Function::New<ConnectFromScript>(env, "connect"));
  exports.Set("findGone", Napi::Function::New<FindGoneFromScript>(env, "findGone"));
  exports.Set("addressOf", Napi::Function::New<AddressOfFromScript>(env, "addressOf"));
  exports.Set("resolveUser",
              Napi::Function::New<ResolveFromScript<std::uint32_t, ResolveUser>>(env, "resolveUser"));
  exports.Set("resolveGroup",
              Napi::Function::New<ResolveFromScript<std::uint32_t, ResolveGroup>>(env, "resolveGroup"));
  exports.Set("resolveSid",
              Napi::Function::New<ResolveFromScript<std::string, ResolveSecurityId>>(env, "resolveSid"));
  exports.Set("ownUser", Napi::Function::New<OwnUserFromScript>(env, "ownUser"));
}

}  // namespace sentinel
