#include "node_readiness.h"

#if defined(_WIN32)

// Pipes have none: the event loop reads them.
void sentinel::DefineReadiness(Napi::Env /*env*/, Napi::Object /*exports*/) {}

#else

#include <uv.h>

#include <memory>
#include <utility>

#include "node_convert.h"
#include "node_environment.h"
#include "node_reading.h"

namespace sentinel {
namespace {

// So many reads in a row of a connection that is alone in being ready, without a look at the others.
constexpr int kMostAlone = 8;

// Where many are ready at once, what the messages of one read take is freed by V8 before the next read of the same
// connection comes only if reads are small: its young generation holds some ten thousand messages, and copies those
// that somebody still has. So each connection's turn is 64 KiB in small reads.
constexpr int kCrowdReads = 16;
constexpr std::size_t kCrowdReadBytes = 4096;

// What JavaScript is told instead of a number of records: the kernel takes bytes again.
constexpr double kWritable = -2;

// Has the event loop wait for all connections of an environment with one handle, and calls JavaScript for each that
// is ready. Belongs to the event loop until that has closed it.
class ReadinessHandle {
 public:
  static Status Start(Napi::Env env, Environment& environment, const Napi::Function& on_ready) {
    Result<Descriptor> watched = environment.connected.Open();
    if (!watched.ok()) return watched.failure();
    uv_loop_t* loop = nullptr;
    auto handle = std::make_unique<ReadinessHandle>(env, environment, on_ready);
    int error = napi_get_uv_event_loop(env, &loop) == napi_ok ? 0 : UV_EINVAL;
    if (error == 0) error = uv_poll_init(loop, &handle->poll_, static_cast<int>(watched.value()));
    if (error != 0) return Failure{FailureKind::kSystem, -error, "uv_poll_init", {}};
    handle->poll_.data = handle.get();
    // Cannot fail: the events are some, and the descriptor is this handle's alone.
    uv_poll_start(&handle->poll_, UV_READABLE, OnReady);
    uv_unref(handle->base());  // until somebody waits
    napi_add_async_cleanup_hook(env, Close, handle.get(), &handle->cleanup_);
    environment.readiness_wanted = [poll = handle->base()](bool wanted) { wanted ? uv_ref(poll) : uv_unref(poll); };
    handle.release();  // NOLINT(bugprone-unused-return-value): it is the event loop's now, see Close
    return Done{};
  }

  ReadinessHandle(Napi::Env env, Environment& environment, const Napi::Function& on_ready)
      : env_(env),
        environment_(environment),
        on_ready_(Napi::Persistent(on_ready)),
        context_(env, "sentinel-ipc") {}

 private:
  uv_handle_t* base() { return reinterpret_cast<uv_handle_t*>(&poll_); }

  // When the environment ends.
  static void Close(napi_async_cleanup_hook_handle /*hook*/, void* data) {
    auto* const self = static_cast<ReadinessHandle*>(data);
    self->environment_.readiness_wanted = nullptr;
    uv_close(self->base(), [](uv_handle_t* handle) {
      const std::unique_ptr<ReadinessHandle> closed(static_cast<ReadinessHandle*>(handle->data));
      napi_remove_async_cleanup_hook(closed->cleanup_);
    });
  }

  static void OnReady(uv_poll_t* poll, int /*status*/, int /*events*/) {
    static_cast<ReadinessHandle*>(poll->data)->CallReady();
  }

  void CallReady() {
    ConnectedDescriptors& connected = environment_.connected;
    // One connection that goes to and fro: what has woken us is most likely its next message.
    if (alone_turns_ < kMostAlone && connected.WantsReading(alone_)) {
      ++alone_turns_;
      if (Read(alone_, kReadBytes) != Outcome::kNothing) return;
    }
    alone_turns_ = 0;
    const std::vector<Readiness>& ready = connected.TakeReady();
    alone_ = ready.size() == 1 && ready[0].readable ? ready[0].descriptor : Descriptor::kNone;
    const bool crowd = ready.size() == ReadinessSet::kMostAtOnce;
    const std::size_t most = crowd ? kCrowdReadBytes : kReadBytes;
    const int reads = crowd ? kCrowdReads : 1;
    // What is called may close some of them, and wait for others by the same number.
    for (const Readiness& one : ready) {
      if (one.writable && !Call(one.descriptor, kWritable)) return;
      for (int i = 0; i < reads && one.readable && connected.WantsReading(one.descriptor); ++i) {
        const Outcome outcome = Read(one.descriptor, most);
        if (outcome == Outcome::kGone) return;
        if (outcome != Outcome::kFull) break;
      }
    }
  }

  enum class Outcome { kRead, kFull, kNothing, kGone };

  Outcome Read(Descriptor descriptor, std::size_t most) {
    const RecordsRead read = ReadRecords(environment_, static_cast<std::size_t>(descriptor), most, 0);
    if (read.nothing) return Outcome::kNothing;
    if (!Call(descriptor, read.records)) return Outcome::kGone;
    return read.full ? Outcome::kFull : Outcome::kRead;
  }

  // False: there is nobody to call any more. By hand, as this is done for each read: with the wrappers it takes
  // half as long again.
  bool Call(Descriptor descriptor, double records) {
    napi_handle_scope scope = nullptr;
    if (napi_open_handle_scope(env_, &scope) != napi_ok) return false;
    napi_value callback = nullptr;
    napi_value arguments[2] = {};
    napi_value answer = nullptr;
    napi_get_reference_value(env_, on_ready_, &callback);
    napi_create_int32(env_, static_cast<std::int32_t>(descriptor), &arguments[0]);
    napi_create_int32(env_, static_cast<std::int32_t>(records), &arguments[1]);
    const napi_status status = napi_make_callback(env_, context_, callback, callback, 2, arguments, &answer);
    bool called = status == napi_ok;
    if (status == napi_pending_exception) {
      // As if the event loop had called it itself.
      napi_value error = nullptr;
      called = napi_get_and_clear_last_exception(env_, &error) == napi_ok &&
               napi_fatal_exception(env_, error) == napi_ok;
    }
    napi_close_handle_scope(env_, scope);
    return called;
  }

  const Napi::Env env_;
  Environment& environment_;
  Napi::FunctionReference on_ready_;
  Napi::AsyncContext context_;
  uv_poll_t poll_{};
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  Descriptor alone_ = Descriptor::kNone;
  int alone_turns_ = 0;
};

Descriptor ToDescriptor(const Napi::Value& number) {
  return FromLoopNumber(number.As<Napi::Number>().Int32Value());
}

// readiness.start(onReady: (descriptor, records) => void): once, before the first `want`. `records` as readRecords
// answers, or kWritable.
Napi::Value Start(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsFunction()) {
    ThrowMisuse(env, "readiness.start: wrong arguments");
    return {};
  }
  const Status started = ReadinessHandle::Start(env, Environment::Of(env), info[0].As<Napi::Function>());
  if (!started.ok()) Throw(env, started.failure());
  return env.Undefined();
}

// readiness.want(descriptor, reading, writing)
Napi::Value Want(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 3 || !info[0].IsNumber() || !info[1].IsBoolean() || !info[2].IsBoolean()) {
    ThrowMisuse(env, "readiness.want: wrong arguments");
    return {};
  }
  const Status wanted =
      Environment::Of(env).Want(ToDescriptor(info[0]), info[1].As<Napi::Boolean>(), info[2].As<Napi::Boolean>());
  if (!wanted.ok()) Throw(env, wanted.failure());
  return env.Undefined();
}

// readiness.close(descriptor)
Napi::Value CloseOne(const Napi::CallbackInfo& info) {
  if (info.Length() > 0 && info[0].IsNumber()) Environment::Of(info.Env()).Close(ToDescriptor(info[0]));
  return info.Env().Undefined();
}

}  // namespace

void DefineReadiness(Napi::Env env, Napi::Object exports) {
  Napi::Object readiness = Napi::Object::New(env);
  readiness.Set("start", Napi::Function::New<Start>(env, "start"));
  readiness.Set("want", Napi::Function::New<Want>(env, "want"));
  readiness.Set("close", Napi::Function::New<CloseOne>(env, "close"));
  exports.Set("readiness", readiness);
}

}  // namespace sentinel

#endif
