#include "platform/posix/safe_path.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <vector>

namespace sentinel {
namespace {

constexpr int kMostLinks = 40;  // as the kernel itself allows (path_resolution(7))

Failure Unsafe(std::string detail) { return {FailureKind::kUnsafePath, 0, "lstat", std::move(detail)}; }

bool Trusted(std::uint32_t owner) { return owner == 0 || owner == OwnUserId(); }

// The components of a path, last one first, so that the next one to visit is taken from the back.
void PushComponents(const std::string& path, std::vector<std::string>& pending) {
  std::vector<std::string> components;
  std::size_t start = 0;
  while (start <= path.size()) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    if (end > start) components.push_back(path.substr(start, end - start));
    start = end + 1;
  }
  pending.insert(pending.end(), components.rbegin(), components.rend());
}

Status CheckDirectory(const std::string& path, const FileFacts& facts) {
  if (!Trusted(facts.owner)) {
    return Unsafe("directory " + path + " belongs to user " + std::to_string(facts.owner) +
                  ", who could replace the socket; it must belong to this user or to root");
  }
  if ((facts.mode & (S_IWGRP | S_IWOTH)) != 0 && (facts.mode & S_ISVTX) == 0) {
    return Unsafe("directory " + path + " is writable by others and not sticky, so they could replace the socket");
  }
  return Done{};
}

Result<std::string> ReadLink(const std::string& path) {
  std::string target(PATH_MAX, '\0');
  const ssize_t length = readlink(path.c_str(), target.data(), target.size());
  if (length < 0) return Failure{FailureKind::kSystem, errno, "readlink", path};
  target.resize(static_cast<std::size_t>(length));
  return target;
}

std::string Parent(const std::string& directory) {
  const std::size_t slash = directory.rfind('/');
  return slash == std::string::npos ? std::string() : directory.substr(0, slash);
}

// What stands at `path`; an absent last directory is made first when that was asked for.
Result<FileFacts> InspectOrCreate(const std::string& path, bool create) {
  Result<FileFacts> facts = InspectPath(path);
  if (facts.ok() || facts.failure().code != ENOENT || !create) return facts;
  if (mkdir(path.c_str(), S_IRWXU) != 0) {
    // EEXIST: another starter was faster; what it made is checked like anything else.
    if (errno != EEXIST) return Failure{FailureKind::kSystem, errno, "mkdir", path};
  } else if (chmod(path.c_str(), S_IRWXU) != 0) {
    // A umask may have left less. What was just made is ours, in a directory where nobody else could replace it.
    return Failure{FailureKind::kSystem, errno, "chmod", path};
  }
  return InspectPath(path);
}

}  // namespace

Result<std::string> ResolveSafely(const std::string& path, bool create_last) {
  const std::size_t slash = path.rfind('/');
  if (path.empty() || path.front() != '/' || slash + 1 == path.size()) {
    return Unsafe("'" + path + "' is not an absolute path of a file");
  }

  std::vector<std::string> pending;
  PushComponents(path.substr(0, slash), pending);
  std::string resolved;  // empty stands for the root directory
  int links = 0;

  Result<FileFacts> root = InspectPath("/");
  if (!root.ok()) return root.failure();
  if (Status status = CheckDirectory("/", root.value()); !status.ok()) return status.failure();

  while (!pending.empty()) {
    const std::string component = std::move(pending.back());
    pending.pop_back();
    if (component == ".") continue;
    if (component == "..") {
      resolved = Parent(resolved);
      continue;
    }
    std::string next = resolved;
    next.append("/").append(component);
    Result<FileFacts> facts = InspectOrCreate(next, create_last && pending.empty());
    if (!facts.ok()) return facts.failure();

    switch (facts.value().kind) {
      case FileFacts::Kind::kDirectory:
        if (Status status = CheckDirectory(next, facts.value()); !status.ok()) return status.failure();
        resolved = next;
        break;
      case FileFacts::Kind::kSymbolicLink: {
        if (!Trusted(facts.value().owner)) {
          return Unsafe("symbolic link " + next + " belongs to user " + std::to_string(facts.value().owner));
        }
        if (++links > kMostLinks) return Failure{FailureKind::kSystem, ELOOP, "lstat", path};
        Result<std::string> target = ReadLink(next);
        if (!target.ok()) return target.failure();
        if (!target.value().empty() && target.value().front() == '/') resolved.clear();
        PushComponents(target.value(), pending);
        break;
      }
      case FileFacts::Kind::kSocket:
      case FileFacts::Kind::kRegular:
      case FileFacts::Kind::kOther: return Failure{FailureKind::kSystem, ENOTDIR, "lstat", next};
    }
  }
  return resolved + path.substr(slash);
}

}  // namespace sentinel
