// The only file that knows Node-API: checks arguments, converts, calls the core, throws. lib/native.ts is its
// other half and types what is exported here.
//
// Descriptors go to JavaScript as plain numbers, which wraps each one in a net.Socket at once. A worker may be
// terminated between the two; ReclaimHanded closes what was left without an owner then.

#include <napi.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "acceptor.h"
#include "frame_reader.h"
#include "peer_policy.h"
#include "platform.h"

namespace sentinel {
namespace {

class AcceptorObject;

// Descriptors given to JavaScript whose new owner has not been seen yet.
class HandedDescriptors {
 public:
  // Whatever was handed before has found its owner by now: JavaScript wraps before it asks again.
  void Forget() { handed_.clear(); }
  int Hand(OwnedDescriptor descriptor) {
    const Descriptor released = descriptor.Release();
    if (std::optional<std::uint64_t> cookie = DescriptorCookie(released); cookie.has_value()) {
      handed_.push_back({released, *cookie});
    }
    return static_cast<int>(released);
  }
  // When the environment ends: its sockets are closed already, so a number that still means the same socket
  // has no owner.
  void Reclaim() {
    for (const Entry& entry : handed_) {
      if (DescriptorCookie(entry.descriptor) == entry.cookie) CloseDescriptor(entry.descriptor);
    }
    handed_.clear();
  }

 private:
  struct Entry {
    Descriptor descriptor;
    std::uint64_t cookie;
  };
  std::vector<Entry> handed_;
};

// What one environment (main thread or worker) has of its own.
struct Environment {
  LineScanner scanner;
  ReadWindow window;
  std::int32_t* records = nullptr;
  std::size_t record_capacity = 0;
  std::int32_t* progress = nullptr;
  std::vector<Napi::ObjectReference> attached;  // keeps that memory alive
  HandedDescriptors dialled;
  std::set<AcceptorObject*> acceptors;

  static Environment& Of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }
};

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
    case FailureKind::kNotSupported: return "not-supported";
  }
  return "system";
}

Napi::Object ToErrorObject(Napi::Env env, const Failure& failure) {
  Napi::Object error = Napi::Error::New(env, failure.detail).Value();
  error.Set("kind", KindName(failure.kind));
  error.Set("errno", -failure.code);
  error.Set("syscall", failure.operation);
  return error;
}

void Throw(Napi::Env env, const Failure& failure) { napi_throw(env, ToErrorObject(env, failure)); }

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
  return object;
}

std::vector<std::uint32_t> ToIds(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) return {};
  const auto array = value.As<Napi::Uint32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

PeerPolicy ToPolicy(const Napi::Value& users, const Napi::Value& groups) { return {ToIds(users), ToIds(groups)}; }

// Whole numbers from JavaScript, where anything may come: negative, fractional and NaN become 0.
std::size_t ToSize(const Napi::Value& value) {
  if (!value.IsNumber()) return 0;
  const double number = value.As<Napi::Number>().DoubleValue();
  return number > 0 && number < 9007199254740992.0 ? static_cast<std::size_t>(number) : 0;
}

// listen(path, createDirectory, backlog, users, groups, maxConnections, maxConnectionsPerUser, maxQueued)
class AcceptorObject final : public Napi::ObjectWrap<AcceptorObject> {
 public:
  static void Define(Napi::Env env, Napi::Object exports) {
    exports.Set("Acceptor",
                DefineClass(env, "Acceptor",
                            {
                                InstanceMethod<&AcceptorObject::Take>("take"),
                                InstanceMethod<&AcceptorObject::TakeRefusals>("takeRefusals"),
                                InstanceMethod<&AcceptorObject::Release>("release"),
                                InstanceMethod<&AcceptorObject::Stats>("stats"),
                                InstanceMethod<&AcceptorObject::TakeNotifyDescriptor>("takeNotifyDescriptor"),
                                InstanceMethod<&AcceptorObject::StopFromScript>("stop"),
                            }));
  }

  explicit AcceptorObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<AcceptorObject>(info) {
    const Napi::Env env = info.Env();
    if (info.Length() < 8 || !info[0].IsString()) {
      ThrowMisuse(env, "Acceptor: wrong arguments");
      return;
    }
    if (Status status = Start(info); !status.ok()) {
      Throw(env, status.failure());
      return;
    }
    environment_ = &Environment::Of(env);
    environment_->acceptors.insert(this);
  }

  ~AcceptorObject() override {
    if (environment_ != nullptr) environment_->acceptors.erase(this);
  }

  // Called when the environment ends, before it is destroyed.
  void EnvironmentEnds() {
    acceptor_->Stop();
    handed_.Reclaim();
    environment_ = nullptr;
  }

 private:
  Status Start(const Napi::CallbackInfo& info) {
    ListenRequest request;
    request.path = info[0].As<Napi::String>();
    request.create_directory = info[1].ToBoolean();
    request.backlog = static_cast<int>(std::min<std::size_t>(ToSize(info[2]), 65535));
    AcceptorLimits limits;
    limits.max_connections = ToSize(info[5]);
    limits.max_connections_per_user = ToSize(info[6]);
    limits.max_queued = ToSize(info[7]);

    Result<NotifyPair> notify = CreateNotifyPair();
    if (!notify.ok()) return notify.failure();
    Result<std::unique_ptr<ServerEndpoint>> endpoint = Listen(request);
    if (!endpoint.ok()) return endpoint.failure();
    Result<std::unique_ptr<Acceptor>> acceptor = Acceptor::Start(
        std::move(endpoint.value()), ToPolicy(info[3], info[4]), limits, std::move(notify.value().thread));
    if (!acceptor.ok()) return acceptor.failure();
    acceptor_ = std::move(acceptor.value());
    notify_loop_end_ = std::move(notify.value().loop);
    return Done{};
  }

  // take(most) → [{ descriptor, pid, uid, gid, groups }]
  Napi::Value Take(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    handed_.Forget();
    std::vector<AdmittedClient> clients = acceptor_->Take(ToSize(info[0]));
    Napi::Array array = Napi::Array::New(env, clients.size());
    for (std::uint32_t i = 0; i < clients.size(); ++i) {
      Napi::Object client = ToObject(env, clients[i].peer);
      client.Set("descriptor", handed_.Hand(std::move(clients[i].descriptor)));
      array.Set(i, client);
    }
    return array;
  }

  // takeRefusals() → { refusals: [{ reason, errno, pid, uid, gid, groups }], omitted }
  Napi::Value TakeRefusals(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const RefusalReport report = acceptor_->TakeRefusals();
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

  // release(uid)
  Napi::Value Release(const Napi::CallbackInfo& info) {
    acceptor_->Release(static_cast<std::uint32_t>(ToSize(info[0])));
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
    return Napi::Number::New(info.Env(), handed_.Hand(std::move(notify_loop_end_)));
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

// attachWindow(bytes: Uint8Array, readBegin, records: Int32Array, progress: Int32Array)
Napi::Value AttachWindow(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 4 || !info[0].IsTypedArray() || !info[2].IsTypedArray() || !info[3].IsTypedArray()) {
    ThrowMisuse(env, "attachWindow: wrong arguments");
    return {};
  }
  Environment& environment = Environment::Of(env);
  auto bytes = info[0].As<Napi::Uint8Array>();
  auto records = info[2].As<Napi::Int32Array>();
  auto progress = info[3].As<Napi::Int32Array>();
  const std::size_t read_begin = ToSize(info[1]);
  if (read_begin >= bytes.ElementLength() || bytes.ElementLength() > INT32_MAX || progress.ElementLength() < 3 ||
      records.ElementLength() < FrameRecord::kWords || !environment.attached.empty()) {
    ThrowMisuse(env, "attachWindow: sizes do not fit, or a window is attached already");
    return {};
  }
  environment.window = {bytes.Data(), read_begin, bytes.ElementLength() - read_begin};
  environment.records = records.Data();
  environment.record_capacity = records.ElementLength() / FrameRecord::kWords;
  environment.progress = progress.Data();
  for (Napi::Object object : {bytes.As<Napi::Object>(), records.As<Napi::Object>(), progress.As<Napi::Object>()}) {
    environment.attached.push_back(Napi::Persistent(object));
  }
  return env.Undefined();
}

// new FrameReader(maxLineBytes); push(size), more(), finish() → number of records; progress[0..2] = text begin,
// text end, 1 if more() must be called
class FrameReaderObject final : public Napi::ObjectWrap<FrameReaderObject> {
 public:
  static void Define(Napi::Env env, Napi::Object exports) {
    exports.Set("FrameReader", DefineClass(env, "FrameReader",
                                           {
                                               InstanceMethod<&FrameReaderObject::Push>("push"),
                                               InstanceMethod<&FrameReaderObject::More>("more"),
                                               InstanceMethod<&FrameReaderObject::Finish>("finish"),
                                           }));
  }

  explicit FrameReaderObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<FrameReaderObject>(info),
        environment_(Environment::Of(info.Env())),
        reader_(ToSize(info[0])) {
    if (ToSize(info[0]) + ReadWindow::kSlack > environment_.window.read_begin) {
      ThrowMisuse(info.Env(), "FrameReader: the attached window is too small for lines of that length");
    }
  }

 private:
  Napi::Value Push(const Napi::CallbackInfo& info) {
    RecordSink sink(environment_.records, environment_.record_capacity);
    const std::size_t size = std::min(ToSize(info[0]), environment_.window.read_capacity);
    return Report(info, reader_.Push(environment_.window, size, environment_.scanner, sink), sink);
  }
  Napi::Value More(const Napi::CallbackInfo& info) {
    RecordSink sink(environment_.records, environment_.record_capacity);
    return Report(info, reader_.Continue(environment_.window, environment_.scanner, sink), sink);
  }
  Napi::Value Finish(const Napi::CallbackInfo& info) {
    RecordSink sink(environment_.records, environment_.record_capacity);
    return Report(info, reader_.Finish(environment_.window, environment_.scanner, sink), sink);
  }
  Napi::Value Report(const Napi::CallbackInfo& info, const FrameReader::Progress& progress,
                     const RecordSink& sink) {
    environment_.progress[0] = static_cast<std::int32_t>(progress.text_begin);
    environment_.progress[1] = static_cast<std::int32_t>(progress.text_end);
    environment_.progress[2] = progress.more ? 1 : 0;
    return Napi::Number::New(info.Env(), static_cast<double>(sink.count()));
  }

  Environment& environment_;
  FrameReader reader_;
};

// checkFrames(bytes: Uint8Array, maxLineBytes) → the number of messages, or -1 if any line is none. The last line
// must end in a newline too.
Napi::Value CheckFrames(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 2 || !info[0].IsTypedArray()) {
    ThrowMisuse(env, "checkFrames: wrong arguments");
    return {};
  }
  const auto bytes = info[0].As<Napi::Uint8Array>();
  const std::size_t size = bytes.ElementLength();
  const std::size_t max_line_bytes = ToSize(info[1]);
  const std::uint8_t* data = bytes.Data();
  if (size == 0 || data[size - 1] != '\n') return Napi::Number::New(env, size == 0 ? 0 : -1);

  std::array<std::int32_t, 64 * FrameRecord::kWords> words;
  double messages = 0;
  for (std::size_t begin = 0; begin < size;) {
    RecordSink sink(words.data(), words.size() / FrameRecord::kWords);
    begin = Environment::Of(env).scanner.Scan(data, begin, size, max_line_bytes, sink);
    for (std::size_t i = 0; i < sink.count(); ++i) {
      if (words[i * FrameRecord::kWords + FrameRecord::kState] != static_cast<std::int32_t>(LineState::kMessage)) {
        return Napi::Number::New(env, -1);
      }
    }
    messages += static_cast<double>(sink.count());
  }
  return Napi::Number::New(env, messages);
}

// writeBatch(descriptor, bytes: Uint8Array, begin, end) → bytes written, or a negative error number
Napi::Value WriteBatchFromScript(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 4 || !info[0].IsNumber() || !info[1].IsTypedArray()) {
    ThrowMisuse(env, "writeBatch: wrong arguments");
    return {};
  }
  const auto bytes = info[1].As<Napi::Uint8Array>();
  const std::size_t end = std::min(ToSize(info[3]), bytes.ElementLength());
  const std::size_t begin = std::min(ToSize(info[2]), end);
  const auto descriptor = static_cast<Descriptor>(info[0].As<Napi::Number>().Int32Value());
  Result<std::size_t> written = WriteBatch(descriptor, bytes.Data() + begin, end - begin);
  if (!written.ok()) return Napi::Number::New(env, -written.failure().code);
  return Napi::Number::New(env, static_cast<double>(written.value()));
}

// connect(path, users, groups) → { descriptor, pid, uid, gid, groups }, or { reason, pid, uid, gid, groups }
// when the policy refuses the server. Throws what keeps it from connecting.
Napi::Value ConnectFromScript(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 3 || !info[0].IsString()) {
    ThrowMisuse(env, "connect: wrong arguments");
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
  const Verdict verdict = Judge(peer.value(), ToPolicy(info[1], info[2]), ReadUnmappedIds());
  Napi::Object object = ToObject(env, peer.value());
  if (verdict != Verdict::kAdmitted) {
    object.Set("reason", VerdictName(verdict));
    return object;
  }
  HandedDescriptors& handed = Environment::Of(env).dialled;
  handed.Forget();
  object.Set("descriptor", handed.Hand(std::move(connected.value())));
  return object;
}

// resolveUser(name), resolveGroup(name) → id, or null when there is none of that name
template <Result<std::uint32_t> (*resolve)(const std::string&)>
Napi::Value ResolveFromScript(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsString()) {
    ThrowMisuse(env, "resolve: wrong arguments");
    return {};
  }
  Result<std::uint32_t> id = resolve(info[0].As<Napi::String>());
  if (id.ok()) return Napi::Number::New(env, id.value());
  if (id.failure().code == ENOENT) return env.Null();
  Throw(env, id.failure());
  return {};
}

Napi::Value OwnUserIdFromScript(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), OwnUserId());
}

void EndEnvironment(void* data) {
  auto* environment = static_cast<Environment*>(data);
  for (AcceptorObject* acceptor : environment->acceptors) acceptor->EnvironmentEnds();
  environment->acceptors.clear();
  environment->dialled.Reclaim();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto environment = std::make_unique<Environment>();
  napi_add_env_cleanup_hook(env, EndEnvironment, environment.get());
  env.SetInstanceData(environment.release());  // deleted by Node-API, after the hook has run
  AcceptorObject::Define(env, exports);
  FrameReaderObject::Define(env, exports);
  exports.Set("attachWindow", Napi::Function::New<AttachWindow>(env, "attachWindow"));
  exports.Set("checkFrames", Napi::Function::New<CheckFrames>(env, "checkFrames"));
  exports.Set("writeBatch", Napi::Function::New<WriteBatchFromScript>(env, "writeBatch"));
  exports.Set("connect", Napi::Function::New<ConnectFromScript>(env, "connect"));
  exports.Set("resolveUser", Napi::Function::New<ResolveFromScript<ResolveUser>>(env, "resolveUser"));
  exports.Set("resolveGroup", Napi::Function::New<ResolveFromScript<ResolveGroup>>(env, "resolveGroup"));
  exports.Set("ownUserId", Napi::Function::New<OwnUserIdFromScript>(env, "ownUserId"));
  return exports;
}

}  // namespace
}  // namespace sentinel

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) { return sentinel::Init(env, exports); }
NODE_API_MODULE(sentinel_ipc, InitAddon)
