#include "node/acceptor_object.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "admission/acceptor.h"
#include "node/convert.h"
#include "node/environment.h"

namespace sentinel {
namespace {

// new Acceptor(address, policy, limits)
class AcceptorObject final : public Napi::ObjectWrap<AcceptorObject>, public EnvironmentMember {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "Acceptor",
                       {
                           InstanceMethod<&AcceptorObject::Take>("take"),
                           InstanceMethod<&AcceptorObject::TakeRefusals>("takeRefusals"),
                           InstanceMethod<&AcceptorObject::Release>("release"),
                           InstanceMethod<&AcceptorObject::Stats>("stats"),
                           InstanceMethod<&AcceptorObject::TakeNotifyDescriptor>("takeNotifyDescriptor"),
                           InstanceMethod<&AcceptorObject::StopFromScript>("stop"),
                       });
  }

  explicit AcceptorObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<AcceptorObject>(info) {
    const Napi::Env env = info.Env();
    if (info.Length() < 3 || !info[0].IsObject() || !info[1].IsObject() || !info[2].IsObject()) {
      ThrowMisuse(env, "Acceptor: wrong arguments");
      return;
    }
    if (Status status = Start(info); !status.ok()) {
      Throw(env, status.failure());
      return;
    }
    environment_ = &Environment::Of(env);
    environment_->members.insert(this);
  }

  ~AcceptorObject() override {
    if (environment_ != nullptr) environment_->members.erase(this);
  }

  void EnvironmentEnds() override {
    acceptor_->Stop();
    handed_.Reclaim();
    environment_ = nullptr;
  }

 private:
  static UserKey ToUserKey(const Napi::Value& value) {
    if (value.IsString()) return std::string(value.As<Napi::String>());
    return static_cast<std::uint32_t>(ToSize(value));
  }

  // address: { path, createDirectory, groupAccess, publicAccess, group: number | null }, or { descriptor }
  static Result<std::unique_ptr<ServerEndpoint>> OpenEndpoint(const Napi::Object& address, int backlog,
                                                              const PeerPolicy& policy) {
    if (address.Get("descriptor").IsNumber()) {
      return Adopt(FromLoopNumber(address.Get("descriptor").As<Napi::Number>().Int32Value()));
    }
    ListenRequest request;
    request.path = address.Get("path").ToString();
    request.create_directory = address.Get("createDirectory").ToBoolean();
    request.group_access = address.Get("groupAccess").ToBoolean();
    request.public_access = address.Get("publicAccess").ToBoolean();
    if (const Napi::Value group = address.Get("group"); group.IsNumber()) {
      request.group = group.As<Napi::Number>().Uint32Value();
    }
    request.backlog = backlog;
    request.security_ids = policy.security_ids;
    return Listen(request);
  }

  // limits: { backlog, maxConnections, maxConnectionsPerUser, maxNewPerSecondPerUser, maxQueued, throttleRefusals }
  Status Start(const Napi::CallbackInfo& info) {
    if (Status prepared = Environment::Of(info.Env()).PrepareConnections(); !prepared.ok()) return prepared;
    const auto given = info[2].As<Napi::Object>();
    AcceptorLimits limits;
    limits.max_connections = ToSize(given.Get("maxConnections"));
    limits.max_connections_per_user = ToSize(given.Get("maxConnectionsPerUser"));
    limits.max_new_per_second_per_user = ToSize(given.Get("maxNewPerSecondPerUser"));
    limits.max_queued = ToSize(given.Get("maxQueued"));
    limits.throttle_refusals = given.Get("throttleRefusals").ToBoolean();
    const auto backlog = static_cast<int>(std::min<std::size_t>(ToSize(given.Get("backlog")), 65535));

    Result<NotifyPair> notify = CreateNotifyPair();
    if (!notify.ok()) return notify.failure();
    PeerPolicy policy = ToPolicy(info[1]);
    Result<std::unique_ptr<ServerEndpoint>> endpoint = OpenEndpoint(info[0].As<Napi::Object>(), backlog, policy);
    if (!endpoint.ok()) return endpoint.failure();
    Result<std::unique_ptr<Acceptor>> acceptor =
        Acceptor::Start(std::move(endpoint.value()), std::move(policy), limits,
                        Environment::Of(info.Env()).unmapped, std::move(notify.value().thread));
    if (!acceptor.ok()) return acceptor.failure();
    acceptor_ = std::move(acceptor.value());
    notify_loop_end_ = std::move(notify.value().loop);
    return Done{};
  }

  // take(most) → [{ descriptor, pid, uid, gid, groups, … }]
  Napi::Value Take(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Environment& environment = Environment::Of(env);
    environment.handed.Forget();
    std::vector<AdmittedClient> clients = acceptor_->Take(ToSize(info[0]));
    Napi::Array array = Napi::Array::New(env);
    for (AdmittedClient& admitted : clients) {
      Napi::Object client = ToObject(env, admitted.peer);
      Result<int> number = environment.GiveConnected(std::move(admitted.descriptor));
      if (!number.ok()) {  // it is closed by now
        acceptor_->Release(ToUserKey(client.Get(admitted.peer.user_id.has_value() ? "uid" : "sid")));
        continue;
      }
      client.Set("descriptor", number.value());
      array.Set(array.Length(), client);
    }
    return array;
  }

  // takeRefusals(wanted) → { refusals: [{ reason, errno, pid, uid, gid, groups }], omitted }, or undefined when
  // there is nothing to report or nobody wants to know
  Napi::Value TakeRefusals(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const RefusalReport report = acceptor_->TakeRefusals();
    if (report.refusals.empty() || !info[0].ToBoolean()) return env.Undefined();
    Napi::Array refusals = Napi::Array::New(env, report.refusals.size());
    for (std::uint32_t i = 0; i < report.refusals.size(); ++i) {
      Napi::Object refusal = ToObject(env, report.refusals[i].peer);
      refusal.Set("reason", VerdictName(report.refusals[i].verdict));
      refusal.Set("errno", -report.refusals[i].code);
      refusals.Set(i, refusal);
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("refusals", refusals);
    object.Set("omitted", static_cast<double>(report.omitted));
    return object;
  }

  // release(uid), release(sid)
  Napi::Value Release(const Napi::CallbackInfo& info) {
    acceptor_->Release(ToUserKey(info[0]));
    return info.Env().Undefined();
  }

  // stats() → { admitted, refused, exhausted, open }
  Napi::Value Stats(const Napi::CallbackInfo& info) {
    const AcceptorStats stats = acceptor_->Stats();
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("admitted", static_cast<double>(stats.admitted));
    object.Set("refused", static_cast<double>(stats.refused));
    object.Set("exhausted", static_cast<double>(stats.exhausted));
    object.Set("open", static_cast<double>(stats.open));
    return object;
  }

  // takeNotifyDescriptor() → number, once
  Napi::Value TakeNotifyDescriptor(const Napi::CallbackInfo& info) {
    if (!notify_loop_end_.valid()) {
      ThrowMisuse(info.Env(), "Acceptor: the notify descriptor was taken already");
      return {};
    }
    Result<int> number = handed_.Hand(std::move(notify_loop_end_));
    if (number.ok()) return Napi::Number::New(info.Env(), number.value());
    Throw(info.Env(), number.failure());
    return {};
  }

  Napi::Value StopFromScript(const Napi::CallbackInfo& info) {
    acceptor_->Stop();
    return info.Env().Undefined();
  }

  std::unique_ptr<Acceptor> acceptor_;
  OwnedDescriptor notify_loop_end_;
  HandedDescriptors handed_;
  Environment* environment_ = nullptr;
};

}  // namespace

void DefineAcceptor(Napi::Env env, Napi::Object exports) { exports.Set("Acceptor", AcceptorObject::Define(env)); }

}  // namespace sentinel
