#include "node/acceptor_object.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admission/acceptor.h"
#include "node/convert.h"
#include "node/environment.h"
#include "node/thread_owner.h"

namespace sentinel {
namespace {

UserKey ToUserKey(Value value) {
  if (value.IsString()) return value.ToText();
  return static_cast<std::uint32_t>(value.ToSize());
}

// address: { path, createDirectory, sharedDirectory, groupAccess, publicAccess, group: number | null }, or
// { descriptor }
Result<std::unique_ptr<ServerEndpoint>> OpenEndpoint(Value address, Value limits, const PeerPolicy& policy) {
  if (const Value descriptor = address.Get("descriptor"); descriptor.IsNumber()) {
    return Adopt(FromLoopNumber(descriptor.ToInt32()));
  }
  ListenRequest request;
  request.path = address.Get("path").ToText();
  request.create_directory = address.Get("createDirectory").ToBoolean();
  request.shared_directory = address.Get("sharedDirectory").ToBoolean();
  request.group_access = address.Get("groupAccess").ToBoolean();
  request.public_access = address.Get("publicAccess").ToBoolean();
  if (const Value group = address.Get("group"); group.IsNumber()) {
    request.group = static_cast<std::uint32_t>(group.ToSize());
  }
  request.backlog = static_cast<int>(std::min<std::size_t>(limits.Get("backlog").ToSize(), 65535));
  request.security_ids = policy.security_ids;
  return Listen(request);
}

// { maxConnections, maxConnectionsPerUser, maxNewPerSecondPerUser, maxQueued, throttleRefusals }
AcceptorLimits ToLimits(Value limits) {
  AcceptorLimits read;
  read.max_connections = limits.Get("maxConnections").ToSize();
  read.max_connections_per_user = limits.Get("maxConnectionsPerUser").ToSize();
  read.max_new_per_second_per_user = limits.Get("maxNewPerSecondPerUser").ToSize();
  read.max_queued = limits.Get("maxQueued").ToSize();
  read.throttle_refusals = limits.Get("throttleRefusals").ToBoolean();
  return read;
}

// new Acceptor(address, policy, limits)
class AcceptorObject final : public ThreadOwner<Acceptor> {
 public:
  static void Define(Value exports) {
    using Class = ObjectClass<AcceptorObject>;
    Class::Export(exports, "Acceptor",
                  {
                      Class::Method<&AcceptorObject::Take>("take"),
                      Class::Method<&AcceptorObject::TakeRefusals>("takeRefusals"),
                      Class::Method<&AcceptorObject::Release>("release"),
                      Class::Method<&AcceptorObject::Stats>("stats"),
                      Class::Method<&AcceptorObject::BoundFile>("boundFile"),
                      Class::Method<&AcceptorObject::TakeNotifyDescriptor>("takeNotifyDescriptor"),
                      Class::Method<&AcceptorObject::Stop>("stop"),
                      Class::Method<&AcceptorObject::Restart>("restart"),
                  });
  }

  static std::unique_ptr<AcceptorObject> Make(const Invocation& call) {
    if (!call[0].IsObject() || !call[1].IsObject() || !call[2].IsObject()) {
      ThrowMisuse(call.env(), "Acceptor: wrong arguments");
      return nullptr;
    }
    Environment& environment = Environment::Of(call.env());
    Result<std::unique_ptr<AcceptorObject>> started = Start(environment, call[0], call[1], call[2]);
    if (started.ok()) return std::move(started.value());
    Throw(call.env(), started.failure());
    return nullptr;
  }

  using ThreadOwner::ThreadOwner;

 private:
  static Result<std::unique_ptr<AcceptorObject>> Start(Environment& environment, Value address, Value policy_value,
                                                       Value limits) {
    if (Status prepared = environment.PrepareConnections(); !prepared.ok()) return prepared.failure();
    Result<NotifyPair> notify = CreateNotifyPair();
    if (!notify.ok()) return notify.failure();
    PeerPolicy policy = ToPolicy(policy_value);
    Result<std::unique_ptr<ServerEndpoint>> endpoint = OpenEndpoint(address, limits, policy);
    if (!endpoint.ok()) return endpoint.failure();
    Result<std::unique_ptr<Acceptor>> acceptor =
        Acceptor::Start(std::move(endpoint.value()), {std::move(policy), environment.unmapped}, ToLimits(limits),
                        std::move(notify.value().thread));
    if (!acceptor.ok()) return acceptor.failure();
    return std::make_unique<AcceptorObject>(environment, std::move(acceptor.value()),
                                            std::move(notify.value().loop));
  }

  // take(most) → [{ descriptor, pid, uid, gid, groups, … }]
  Value Take(const Invocation& call) {
    Environment& environment = Environment::Of(call.env());
    environment.handed.Forget();
    const Value clients = Value::List(call.env());
    for (AdmittedClient& admitted : thread().Take(call[0].ToSize())) {
      Result<int> number = environment.GiveConnected(std::move(admitted.descriptor));
      if (!number.ok()) {  // the descriptor is closed by now
        thread().Release(KeyOf(admitted.peer));
        continue;
      }
      const Value client = ToObject(call.env(), admitted.peer);
      client.Set("descriptor", number.value());
      clients.Append(client);
    }
    return clients;
  }

  // takeRefusals(wanted) → { refusals: [{ reason, errno, pid, uid, gid, groups }], omitted }; undefined when there
  // is nothing to report, or no report is wanted
  Value TakeRefusals(const Invocation& call) {
    const RefusalReport report = thread().TakeRefusals();
    if (report.refusals.empty() || !call[0].ToBoolean()) return {};
    const Value refusals = Value::List(call.env());
    for (const Refusal& refused : report.refusals) {
      const Value refusal = ToObject(call.env(), refused.peer);
      refusal.Set("reason", VerdictName(refused.verdict));
      refusal.Set("errno", -refused.code);
      refusals.Append(refusal);
    }
    const Value object = Value::Object(call.env());
    object.Set("refusals", refusals);
    object.Set("omitted", static_cast<double>(report.omitted));
    return object;
  }

  // release(uid), release(sid)
  Value Release(const Invocation& call) {
    thread().Release(ToUserKey(call[0]));
    return {};
  }

  // stats() → { admitted, refused, exhausted, open }
  Value Stats(const Invocation& call) {
    const AcceptorStats stats = thread().Stats();
    const Value object = Value::Object(call.env());
    object.Set("admitted", static_cast<double>(stats.admitted));
    object.Set("refused", static_cast<double>(stats.refused));
    object.Set("exhausted", static_cast<double>(stats.exhausted));
    object.Set("open", static_cast<double>(stats.open));
    return object;
  }

  // boundFile() → the file of the socket, as fileAt returns it; null if it is not known
  Value BoundFile(const Invocation& call) {
    const std::optional<FileIdentity> file = thread().BoundFile();
    return file.has_value() ? ToValue(call.env(), *file) : Value::Null(call.env());
  }

  // takeNotifyDescriptor() → number, once
  Value TakeNotifyDescriptor(const Invocation& call) { return HandNotifyEnd(call); }

  // stop()
  Value Stop(const Invocation& /*call*/) {
    thread().Stop();
    SetNotifyEnd({});  // now, if it was not taken, as the object may be collected much later
    return {};
  }

  // restart(address, policy, limits): accepts again after a stop; afterwards takeNotifyDescriptor returns a new one
  Value Restart(const Invocation& call) {
    if (!call[0].IsObject() || !call[1].IsObject() || !call[2].IsObject()) {
      ThrowMisuse(call.env(), "restart: wrong arguments");
      return {};
    }
    const Status restarted = RestartAt(call[0], call[1], call[2]);
    if (!restarted.ok()) Throw(call.env(), restarted.failure());
    return {};
  }

  Status RestartAt(Value address, Value policy, Value limits) {
    Result<NotifyPair> notify = CreateNotifyPair();
    if (!notify.ok()) return notify.failure();
    Result<std::unique_ptr<ServerEndpoint>> endpoint = OpenEndpoint(address, limits, ToPolicy(policy));
    if (!endpoint.ok()) return endpoint.failure();
    Status restarted = thread().Restart(std::move(endpoint.value()), std::move(notify.value().thread));
    if (restarted.ok()) SetNotifyEnd(std::move(notify.value().loop));
    return restarted;
  }
};

}  // namespace

void DefineAcceptor(Value exports) { AcceptorObject::Define(exports); }

}  // namespace sentinel
