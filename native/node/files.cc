#include "node/files.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "node/convert.h"
#include "platform/platform.h"

namespace sentinel {
namespace {

using Directory = std::shared_ptr<FileDirectory>;

// The directories and files that one environment (the main thread, or a worker) has open. The end of the
// environment closes them, and with them its claims. Node waits for calls in flight before that.
struct OpenFiles {
  std::map<std::uint32_t, Directory> directories;
  std::set<int> files;
  std::uint32_t last_id = 0;
  bool ended = false;
};
using OpenFilesPointer = std::shared_ptr<OpenFiles>;

using Outcome = std::variant<Failure, Done, OwnedDescriptor, std::vector<std::string>, Directory>;

// One call on the thread pool, and the promise of its outcome. Where the environment is ending, Node-API calls fail
// and their results stay empty; every status is checked or does not matter, and what was opened is closed.
struct Call {
  OpenFilesPointer files;
  std::function<Outcome()> run;
  Outcome outcome = Done{};
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
};

napi_value Undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

napi_value Text(napi_env env, const std::string& text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

napi_value Number(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

napi_value Error(napi_env env, const Failure& failure) {
  napi_value error = nullptr;
  if (napi_create_error(env, nullptr, Text(env, failure.detail), &error) != napi_ok) return nullptr;
  napi_set_named_property(env, error, "kind", Text(env, KindName(failure.kind)));
  napi_set_named_property(env, error, "errno", Number(env, -failure.code));
  napi_set_named_property(env, error, "syscall", Text(env, failure.operation));
  return error;
}

napi_value Texts(napi_env env, const std::vector<std::string>& texts) {
  napi_value list = nullptr;
  if (napi_create_array(env, &list) != napi_ok) return nullptr;
  for (std::uint32_t i = 0; i < texts.size(); ++i) napi_set_element(env, list, i, Text(env, texts[i]));
  return list;
}

void Reject(napi_env env, const Call& call, const Failure& failure) {
  if (napi_value error = Error(env, failure); error != nullptr) napi_reject_deferred(env, call.deferred, error);
}

void Resolve(napi_env env, const Call& call, napi_value value) {
  if (value != nullptr) napi_resolve_deferred(env, call.deferred, value);
}

void ResolveFile(napi_env env, const Call& call, OwnedDescriptor file) {
  Result<int> number = ToLoopNumber(std::move(file));
  if (!number.ok()) {
    Reject(env, call, number.failure());
    return;
  }
  call.files->files.insert(number.value());
  Resolve(env, call, Number(env, number.value()));
}

void ResolveDirectory(napi_env env, const Call& call, Directory directory) {
  const std::uint32_t id = ++call.files->last_id;
  call.files->directories[id] = std::move(directory);
  Resolve(env, call, Number(env, id));
}

void Settle(napi_env env, Call& call) {
  if (call.files->ended) return;
  if (auto* failure = std::get_if<Failure>(&call.outcome)) {
    Reject(env, call, *failure);
  } else if (auto* file = std::get_if<OwnedDescriptor>(&call.outcome)) {
    ResolveFile(env, call, std::move(*file));
  } else if (auto* names = std::get_if<std::vector<std::string>>(&call.outcome)) {
    Resolve(env, call, Texts(env, *names));
  } else if (auto* directory = std::get_if<Directory>(&call.outcome)) {
    ResolveDirectory(env, call, std::move(*directory));
  } else {
    Resolve(env, call, Undefined(env));
  }
}

void Run(napi_env /*env*/, void* data) {
  auto& call = *static_cast<Call*>(data);
  call.outcome = call.run();
}

void Complete(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<Call> call(static_cast<Call*>(data));
  if (status == napi_ok) Settle(env, *call);
  napi_delete_async_work(env, call->work);
}

// Runs `run` on the thread pool and returns the promise of its outcome.
napi_value Start(napi_env env, OpenFilesPointer files, std::function<Outcome()> run) {
  auto call = std::make_unique<Call>();
  call->files = std::move(files);
  call->run = std::move(run);
  napi_value promise = nullptr;
  if (napi_create_promise(env, &call->deferred, &promise) != napi_ok ||
      napi_create_async_work(env, nullptr, Text(env, "sentinel-ipc:files"), Run, Complete, call.get(),
                             &call->work) != napi_ok) {
    return nullptr;
  }
  if (napi_queue_async_work(env, call->work) != napi_ok) {
    napi_delete_async_work(env, call->work);
    return nullptr;
  }
  call.release();  // NOLINT(bugprone-unused-return-value): Complete owns it now
  return promise;
}

// The arguments of one call from JavaScript.
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    std::size_t count = 3;
    void* data = nullptr;
    napi_get_cb_info(env, info, &count, values_, nullptr, &data);
    files_ = data == nullptr ? nullptr : *static_cast<OpenFilesPointer*>(data);
  }

  const OpenFilesPointer& files() const { return files_; }
  std::int32_t Number(std::size_t index) const {
    std::int32_t number = 0;
    napi_get_value_int32(env_, values_[index], &number);
    return number;
  }
  bool Flag(std::size_t index) const {
    bool flag = false;
    napi_get_value_bool(env_, values_[index], &flag);
    return flag;
  }
  std::string Text(std::size_t index) const {
    std::size_t size = 0;
    if (napi_get_value_string_utf8(env_, values_[index], nullptr, 0, &size) != napi_ok) return {};
    std::string text(size + 1, '\0');
    napi_get_value_string_utf8(env_, values_[index], text.data(), text.size(), &size);
    text.resize(size);
    return text;
  }
  // The directory that the first argument names; empty, and an exception is pending, where there is none.
  Directory OpenDirectory() const {
    const auto found = files_->directories.find(static_cast<std::uint32_t>(Number(0)));
    if (found != files_->directories.end()) return found->second;
    napi_throw_type_error(env_, nullptr, "the directory is closed");
    return nullptr;
  }

 private:
  napi_env env_;
  napi_value values_[3] = {};
  OpenFilesPointer files_;
};

template <typename T>
Outcome ToOutcome(Result<T> result) {
  if (!result.ok()) return result.failure();
  return std::move(result.value());
}

// openDirectory(path, create, lockName) → its id; it is claimed unless lockName is ''
napi_value OpenDirectory(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  DirectoryRequest request{arguments.Text(0), arguments.Flag(1)};
  return Start(env, arguments.files(), [request, lock_name = arguments.Text(2)]() -> Outcome {
    Result<std::unique_ptr<FileDirectory>> opened = OpenPrivateDirectory(request);
    if (!opened.ok()) return opened.failure();
    if (!lock_name.empty()) {
      if (Status claimed = opened.value()->Claim(lock_name); !claimed.ok()) return claimed.failure();
    }
    return Directory(std::move(opened.value()));
  });
}

// listDirectory(id) → names
napi_value ListDirectory(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Directory directory = arguments.OpenDirectory();
  if (directory == nullptr) return nullptr;
  return Start(env, arguments.files(), [directory]() { return ToOutcome(directory->List()); });
}

// openFile(id, name, access) → a descriptor, to be given to closeFile; access as FileDirectory::Access
napi_value OpenFile(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Directory directory = arguments.OpenDirectory();
  if (directory == nullptr) return nullptr;
  const auto access = static_cast<FileDirectory::Access>(arguments.Number(2));
  return Start(env, arguments.files(), [directory, name = arguments.Text(1), access]() {
    return ToOutcome(directory->Open(name, access));
  });
}

// removeFile(id, name)
napi_value RemoveFile(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Directory directory = arguments.OpenDirectory();
  if (directory == nullptr) return nullptr;
  return Start(env, arguments.files(),
               [directory, name = arguments.Text(1)]() { return ToOutcome(directory->Remove(name)); });
}

// syncDirectory(id)
napi_value SyncDirectory(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Directory directory = arguments.OpenDirectory();
  if (directory == nullptr) return nullptr;
  return Start(env, arguments.files(), [directory]() { return ToOutcome(directory->Sync()); });
}

// closeDirectory(id): ends its claim
napi_value CloseDirectory(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  arguments.files()->directories.erase(static_cast<std::uint32_t>(arguments.Number(0)));
  return Undefined(env);
}

// forgetFile(descriptor): the caller closes it
napi_value ForgetFile(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  arguments.files()->files.erase(arguments.Number(0));
  return Undefined(env);
}

// millisecondsSinceBoot() → number, of a clock that nobody can set
napi_value SinceBoot(napi_env env, napi_callback_info /*info*/) { return Number(env, MillisecondsSinceBoot()); }

// bootId() → text, '' where the system does not say
napi_value BootIdFromScript(napi_env env, napi_callback_info /*info*/) { return Text(env, BootId()); }

void EndEnvironment(void* data) {
  const std::unique_ptr<OpenFilesPointer> files(static_cast<OpenFilesPointer*>(data));
  (*files)->ended = true;
  for (const int number : (*files)->files) CloseDescriptor(FromLoopNumber(number));
  (*files)->files.clear();
  (*files)->directories.clear();
}

}  // namespace

void DefineFiles(napi_env env, napi_value exports) {
  auto files = std::make_unique<OpenFilesPointer>(std::make_unique<OpenFiles>());
  void* const data = files.get();
  const auto define = [&](const char* name, napi_callback callback) {
    napi_value function = nullptr;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function) != napi_ok) return;
    napi_set_named_property(env, exports, name, function);
  };
  if (napi_add_env_cleanup_hook(env, EndEnvironment, data) != napi_ok) return;
  files.release();  // NOLINT(bugprone-unused-return-value): EndEnvironment owns it now
  define("openDirectory", OpenDirectory);
  define("listDirectory", ListDirectory);
  define("openFile", OpenFile);
  define("removeFile", RemoveFile);
  define("syncDirectory", SyncDirectory);
  define("closeDirectory", CloseDirectory);
  define("forgetFile", ForgetFile);
  define("millisecondsSinceBoot", SinceBoot);
  define("bootId", BootIdFromScript);
}

}  // namespace sentinel
