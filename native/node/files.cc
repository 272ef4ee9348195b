#include "node/files.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "node/convert.h"
#include "node/environment.h"

namespace sentinel {
namespace {

using Directory = std::shared_ptr<FileDirectory>;
using Outcome = std::variant<Failure, Done, OwnedDescriptor, std::vector<std::string>, Directory>;

// Converts an outcome to a JavaScript value, or rejects with the failure. `files` takes over an opened descriptor
// or directory; if the environment is ending, it is closed instead.
class Settlement {
 public:
  Settlement(const Deferred& deferred, OpenFiles& files) : deferred_(deferred), files_(files) {}

  void operator()(const Failure& failure) { deferred_.Reject(ToError(deferred_.env(), failure)); }
  void operator()(Done /*done*/) { deferred_.Resolve({}); }
  void operator()(OwnedDescriptor& file) {
    Result<int> number = ToLoopNumber(std::move(file));
    if (!number.ok()) return (*this)(number.failure());
    files_.files.insert(number.value());
    deferred_.Resolve(Value::Number(deferred_.env(), number.value()));
  }
  void operator()(const std::vector<std::string>& names) {
    const Value list = Value::List(deferred_.env());
    for (const std::string& name : names) list.Append(Value::Text(deferred_.env(), name));
    deferred_.Resolve(list);
  }
  void operator()(Directory& directory) {
    files_.directories[++files_.last_id] = std::move(directory);
    deferred_.Resolve(Value::Number(deferred_.env(), files_.last_id));
  }

 private:
  const Deferred& deferred_;
  OpenFiles& files_;
};

// Runs `run` on the thread pool and returns the promise of its outcome.
Value Start(napi_env env, std::function<Outcome()> run) {
  const Deferred deferred(env);
  const std::shared_ptr<Outcome> outcome(std::make_unique<Outcome>(Done{}));
  const std::shared_ptr<OpenFiles> files = Environment::Of(env).files;
  RunOnPool(
      env, "sentinel-ipc:files", [outcome, run = std::move(run)] { *outcome = run(); },
      [outcome, deferred, files] { std::visit(Settlement(deferred, *files), *outcome); });
  return deferred.promise();
}

template <typename T>
Outcome ToOutcome(Result<T> result) {
  if (!result.ok()) return result.failure();
  return std::move(result.value());
}

// Like Start, with the open directory whose id is the first argument.
Value StartIn(const Invocation& call, std::function<Outcome(FileDirectory&)> run) {
  const auto& directories = Environment::Of(call.env()).files->directories;
  const auto found = directories.find(static_cast<std::uint32_t>(call[0].ToSize()));
  if (found == directories.end()) {
    ThrowMisuse(call.env(), "the directory is closed");
    return {};
  }
  return Start(call.env(), [directory = found->second, run = std::move(run)] { return run(*directory); });
}

// openDirectory(path, create, lockName) → its id; it is claimed unless lockName is ''
Value OpenDirectory(const Invocation& call) {
  DirectoryRequest request{call[0].ToText(), call[1].ToBoolean()};
  return Start(call.env(), [request, lock_name = call[2].ToText()]() -> Outcome {
    Result<std::unique_ptr<FileDirectory>> opened = OpenPrivateDirectory(request);
    if (!opened.ok()) return opened.failure();
    if (!lock_name.empty()) {
      if (Status claimed = opened.value()->Claim(lock_name); !claimed.ok()) return claimed.failure();
    }
    return Directory(std::move(opened.value()));
  });
}

// listDirectory(id) → names
Value ListDirectory(const Invocation& call) {
  return StartIn(call, [](FileDirectory& directory) { return ToOutcome(directory.List()); });
}

// openFile(id, name, access) → a descriptor, to be given to closeFile; access as FileDirectory::Access
Value OpenFile(const Invocation& call) {
  const auto access = static_cast<FileDirectory::Access>(call[2].ToInt32());
  return StartIn(call, [name = call[1].ToText(), access](FileDirectory& directory) {
    return ToOutcome(directory.Open(name, access));
  });
}

// removeFile(id, name)
Value RemoveFile(const Invocation& call) {
  return StartIn(call,
                 [name = call[1].ToText()](FileDirectory& directory) { return ToOutcome(directory.Remove(name)); });
}

// checkFile(id, name): checks a file without opening it
Value CheckFile(const Invocation& call) {
  return StartIn(call,
                 [name = call[1].ToText()](FileDirectory& directory) { return ToOutcome(directory.Check(name)); });
}

// renameFile(id, from, to): replaces the file `to`
Value RenameFile(const Invocation& call) {
  return StartIn(call, [from = call[1].ToText(), to = call[2].ToText()](FileDirectory& directory) {
    return ToOutcome(directory.Rename(from, to));
  });
}

// syncDirectory(id)
Value SyncDirectory(const Invocation& call) {
  return StartIn(call, [](FileDirectory& directory) { return ToOutcome(directory.Sync()); });
}

// closeDirectory(id): ends its claim
Value CloseDirectory(const Invocation& call) {
  Environment::Of(call.env()).files->directories.erase(static_cast<std::uint32_t>(call[0].ToSize()));
  return {};
}

// closeFile(descriptor): safe to call again. Node must not close it: in a worker, closeSync warns of a descriptor
// that node:fs did not open.
Value CloseFile(const Invocation& call) {
  const int number = call[0].ToInt32();
  if (Environment::Of(call.env()).files->files.erase(number) > 0) CloseLoopNumber(number);
  return {};
}

// millisecondsSinceBoot() → number, of a clock that no user can set
Value SinceBoot(const Invocation& call) { return call.Number(MillisecondsSinceBoot()); }

// bootId() → text, '' if the system has no such id
Value BootIdFromScript(const Invocation& call) { return Value::Text(call.env(), BootId()); }

}  // namespace

void DefineFiles(Value exports) {
  Export<OpenDirectory>(exports, "openDirectory");
  Export<ListDirectory>(exports, "listDirectory");
  Export<OpenFile>(exports, "openFile");
  Export<RemoveFile>(exports, "removeFile");
  Export<CheckFile>(exports, "checkFile");
  Export<RenameFile>(exports, "renameFile");
  Export<SyncDirectory>(exports, "syncDirectory");
  Export<CloseDirectory>(exports, "closeDirectory");
  Export<CloseFile>(exports, "closeFile");
  Export<SinceBoot>(exports, "millisecondsSinceBoot");
  Export<BootIdFromScript>(exports, "bootId");
}

}  // namespace sentinel
