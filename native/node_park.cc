#include "node_park.h"

#include <utility>
#include <vector>

#include "node_convert.h"
#include "node_environment.h"

namespace sentinel {
namespace {

Descriptor ToDescriptor(const Napi::Value& number) {
  return FromLoopNumber(number.As<Napi::Number>().Int32Value());
}

// park.start() → the number of the notify descriptor. Once, before the first watch.
Napi::Value Start(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Environment& environment = Environment::Of(env);
  Result<NotifyPair> notify = CreateNotifyPair();
  if (!notify.ok()) {
    Throw(env, notify.failure());
    return {};
  }
  if (Status started = environment.park.Start(std::move(notify.value().thread)); !started.ok()) {
    Throw(env, started.failure());
    return {};
  }
  Result<int> number = environment.handed.Hand(std::move(notify.value().loop));
  if (number.ok()) return Napi::Number::New(env, number.value());
  Throw(env, number.failure());
  return {};
}

// park.watch(descriptor): it is named by takeReady, once, when bytes have arrived or the peer has gone
Napi::Value Watch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (Status status = Environment::Of(env).park.Watch(ToDescriptor(info[0])); !status.ok()) {
    Throw(env, status.failure());
  }
  return env.Undefined();
}

// park.takeReady() → [descriptor], some of which may be parked no more
Napi::Value TakeReady(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::vector<Descriptor> ready = Environment::Of(env).park.TakeReady();
  Napi::Array numbers = Napi::Array::New(env, ready.size());
  for (std::size_t i = 0; i < ready.size(); ++i) {
    numbers.Set(static_cast<std::uint32_t>(i), static_cast<double>(ready[i]));
  }
  return numbers;
}

// park.release(descriptor): it belongs to JavaScript from now on, which wraps it at once
Napi::Value Release(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Environment& environment = Environment::Of(env);
  OwnedDescriptor descriptor = environment.park.Remove(ToDescriptor(info[0]));
  if (!descriptor.valid()) {
    ThrowMisuse(env, "park.release: the descriptor is not parked");
    return {};
  }
  environment.handed.Forget();
  if (Result<int> number = environment.handed.Hand(std::move(descriptor)); !number.ok())
    Throw(env, number.failure());
  return env.Undefined();
}

// park.close(descriptor)
Napi::Value Close(const Napi::CallbackInfo& info) {
  Environment::Of(info.Env()).park.Remove(ToDescriptor(info[0])).Reset();
  return info.Env().Undefined();
}

}  // namespace

void DefinePark(Napi::Env env, Napi::Object exports) {
  if (!kWatchesReadiness) return;
  Napi::Object park = Napi::Object::New(env);
  park.Set("start", Napi::Function::New<Start>(env, "start"));
  park.Set("watch", Napi::Function::New<Watch>(env, "watch"));
  park.Set("takeReady", Napi::Function::New<TakeReady>(env, "takeReady"));
  park.Set("release", Napi::Function::New<Release>(env, "release"));
  park.Set("close", Napi::Function::New<Close>(env, "close"));
  exports.Set("park", park);
}

}  // namespace sentinel
