#include "node/peers.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admission/peer_check.h"
#include "admission/peer_watcher.h"
#include "node/convert.h"
#include "node/environment.h"
#include "node/thread_owner.h"

namespace sentinel {
namespace {

// connect(path, policy) → an identity with a `descriptor`, or with a `reason` when the policy refuses the server.
// Throws if the connection cannot be made, or its peer's identity cannot be read.
Value ConnectFromScript(const Invocation& call) {
  if (!call[0].IsString()) {
    ThrowMisuse(call.env(), "connect: wrong arguments");
    return {};
  }
  Environment& environment = Environment::Of(call.env());
  if (Status prepared = environment.PrepareConnections(); !prepared.ok()) {
    Throw(call.env(), prepared.failure());
    return {};
  }
  Result<OwnedDescriptor> connected = Connect(call[0].ToText());
  if (!connected.ok()) {
    Throw(call.env(), connected.failure());
    return {};
  }
  Result<CheckedPeer> checked =
      CheckPeer(connected.value().get(), {ToPolicy(call[1]), environment.unmapped}, nullptr);
  if (!checked.ok()) {
    Throw(call.env(), checked.failure());
    return {};
  }
  const Value object = ToObject(call.env(), checked.value().peer);
  if (checked.value().verdict != Verdict::kAdmitted) {
    object.Set("reason", VerdictName(checked.value().verdict));
    return object;
  }
  environment.handed.Forget();
  Result<int> number = environment.GiveConnected(std::move(connected.value()));
  if (!number.ok()) {
    Throw(call.env(), number.failure());
    return {};
  }
  object.Set("descriptor", number.value());
  return object;
}

Value ToValue(napi_env env, std::uint32_t number) { return Value::Number(env, number); }
Value ToValue(napi_env env, const std::string& text) { return Value::Text(env, text); }

// resolveUser(name), resolveGroup(name) → number, resolveSid(account) → text; null if the name does not exist
template <typename Id, Result<Id> (*resolve)(const std::string&)>
Value ResolveFromScript(const Invocation& call) {
  if (!call[0].IsString()) {
    ThrowMisuse(call.env(), "resolve: wrong arguments");
    return {};
  }
  Result<Id> id = resolve(call[0].ToText());
  if (id.ok()) return ToValue(call.env(), id.value());
  if (id.failure().kind == FailureKind::kNotFound) return Value::Null(call.env());
  Throw(call.env(), id.failure());
  return {};
}

// ownUser() → { uid: number | null, sid }
Value OwnUserFromScript(const Invocation& call) {
  const std::optional<std::uint32_t> number = OwnUserId();
  Result<std::string> security_id = OwnSecurityId();
  if (!security_id.ok()) {
    Throw(call.env(), security_id.failure());
    return {};
  }
  const Value object = Value::Object(call.env());
  object.Set("uid", number.has_value() ? call.Number(*number) : Value::Null(call.env()));
  object.Set("sid", security_id.value());
  return object;
}

// findGone(descriptors: Int32Array) → the indices of those whose peer has closed both directions
// and left nothing to read. Entries below 0 are skipped.
Value FindGoneFromScript(const Invocation& call) {
  const std::optional<View<std::int32_t>> numbers = call[0].ToView<std::int32_t>();
  if (!numbers.has_value()) {
    ThrowMisuse(call.env(), "findGone: wrong arguments");
    return {};
  }
  std::vector<Descriptor> connected;
  connected.reserve(numbers->size);
  for (std::size_t i = 0; i < numbers->size; ++i) {
    const std::int32_t number = numbers->data[i];
    connected.push_back(number < 0 ? Descriptor::kNone : FromLoopNumber(number));
  }
  const Value indices = Value::List(call.env());
  for (const std::size_t index : FindGone(connected)) indices.Append(call.Number(static_cast<double>(index)));
  return indices;
}

// addressOf(descriptor) → the path of a listening descriptor, or ''
Value AddressOfFromScript(const Invocation& call) {
  return Value::Text(call.env(), AddressOf(FromLoopNumber(static_cast<int>(call[0].ToSize()))));
}

// fileAt(path) → text that identifies the file there, '' if there is none, null if that cannot be determined
Value FileAtFromScript(const Invocation& call) {
  Result<FileIdentity> file = IdentifyFile(call[0].ToText());
  if (file.ok()) return ToValue(call.env(), file.value());
  if (file.failure().kind == FailureKind::kNotFound) return Value::Text(call.env(), {});
  return Value::Null(call.env());
}

// new PeerWatcher(); takeNotifyDescriptor() → number, once; watch(id, descriptor) → WatchState;
// forget(id). It runs until the environment ends.
class PeerWatcherObject final : public ThreadOwner<PeerWatcher> {
 public:
  static void Define(Value exports) {
    using Class = ObjectClass<PeerWatcherObject>;
    Class::Export(exports, "PeerWatcher",
                  {
                      Class::Method<&PeerWatcherObject::Watch>("watch"),
                      Class::Method<&PeerWatcherObject::Forget>("forget"),
                      Class::Method<&PeerWatcherObject::TakeNotifyDescriptor>("takeNotifyDescriptor"),
                  });
  }

  static std::unique_ptr<PeerWatcherObject> Make(const Invocation& call) {
    Result<NotifyPair> notify = CreateNotifyPair();
    if (!notify.ok()) {
      Throw(call.env(), notify.failure());
      return nullptr;
    }
    Result<std::unique_ptr<PeerWatcher>> watcher = PeerWatcher::Start(std::move(notify.value().thread));
    if (!watcher.ok()) {
      Throw(call.env(), watcher.failure());
      return nullptr;
    }
    return std::make_unique<PeerWatcherObject>(Environment::Of(call.env()), std::move(watcher.value()),
                                               std::move(notify.value().loop));
  }

  using ThreadOwner::ThreadOwner;

 private:
  Value Watch(const Invocation& call) {
    Result<OwnedDescriptor> process = OpenPeerProcess(FromLoopNumber(static_cast<int>(call[1].ToSize())));
    WatchState state = WatchState::kWatching;
    if (process.ok()) {
      thread().Watch(call[0].ToSize(), std::move(process.value()));
    } else if (process.failure().kind == FailureKind::kPeerUnknown) {
      state = WatchState::kEnded;
    } else if (process.failure().kind == FailureKind::kNotSupported) {
      state = WatchState::kNotSupported;
    } else {
      Throw(call.env(), process.failure());
      return {};
    }
    return Value::Text(call.env(), WatchStateName(state));
  }

  Value Forget(const Invocation& call) {
    thread().Forget(call[0].ToSize());
    return {};
  }

  Value TakeNotifyDescriptor(const Invocation& call) { return HandNotifyEnd(call); }
};

}  // namespace

void DefinePeers(Value exports) {
  PeerWatcherObject::Define(exports);
  Export<ConnectFromScript>(exports, "connect");
  Export<FindGoneFromScript>(exports, "findGone");
  Export<AddressOfFromScript>(exports, "addressOf");
  Export<FileAtFromScript>(exports, "fileAt");
  Export<ResolveFromScript<std::uint32_t, ResolveUser>>(exports, "resolveUser");
  Export<ResolveFromScript<std::uint32_t, ResolveGroup>>(exports, "resolveGroup");
  Export<ResolveFromScript<std::string, ResolveSecurityId>>(exports, "resolveSid");
  Export<OwnUserFromScript>(exports, "ownUser");
}

}  // namespace sentinel
