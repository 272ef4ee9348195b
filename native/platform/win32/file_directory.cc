// Private directories on Windows: the system has no openat, so names are joined to the resolved path. The open
// handle of the directory, which shares no right to delete, keeps it in its place, and the access lists above it
// keep other users from replacing a directory on the way. The claim is a handle that shares nothing: no one else
// can open that file while it is open.

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "platform/platform.h"
#include "platform/win32/access_list.h"
#include "platform/win32/system.h"

namespace sentinel {
namespace {

constexpr std::wstring_view kPlainPrefix = L"\\\\?\\";
constexpr std::wstring_view kNetworkPrefix = L"\\\\?\\UNC\\";

constexpr DWORD kShareAll = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
// A virus scanner or a process that has just ended may still hold the file for a moment.
constexpr int kLockTries = 20;
constexpr DWORD kLockPauseMs = 5;

Failure Unsafe(std::string detail) { return {FailureKind::kUnsafePath, 0, "CreateFile", std::move(detail)}; }

// Strips the prefix that makes the system take a path as it is, which people do not write.
std::string ForPeople(const std::wstring& path) {
  const bool plain = path.rfind(kPlainPrefix, 0) == 0 && path.rfind(kNetworkPrefix, 0) != 0;
  return ToNarrow(path.c_str() + (plain ? kPlainPrefix.size() : 0));
}

// Where the names below the root of a volume begin.
std::size_t EndOfRoot(const std::wstring& path) {
  std::size_t begin = 0;
  bool share = false;
  if (path.rfind(kNetworkPrefix, 0) == 0) {
    begin = kNetworkPrefix.size();
    share = true;
  } else if (path.rfind(kPlainPrefix, 0) == 0) {
    begin = kPlainPrefix.size();
  } else if (path.rfind(L"\\\\", 0) == 0) {
    begin = 2;
    share = true;
  }
  // A volume's root is `C:\`, that of a share `server\share\`.
  for (int names = share ? 2 : 1; names > 0; --names) {
    const std::size_t slash = path.find(L'\\', begin);
    if (slash == std::wstring::npos) return path.size();
    begin = slash + 1;
  }
  return begin;
}

// Checks the directories and links that lead to a path: no other user may be able to replace one. They are checked
// from the root down, so a directory that was checked stays where it is. Ends at the first one that is missing.
Status CheckWay(const std::wstring& path) {
  for (std::size_t end = EndOfRoot(path); end < path.size();) {
    const std::wstring part = path.substr(0, end);
    const OwnedDescriptor opened =
        Own(CreateFileW(part.c_str(), READ_CONTROL, kShareAll, nullptr, OPEN_EXISTING,
                        FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
    if (!opened.valid()) {
      const DWORD code = GetLastError();
      if (code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND) return Done{};
      return WindowsFailure("CreateFile", code, ForPeople(part) + ", whose access list must be checked");
    }
    if (Status status = CheckAccess(Handle(opened.get()), Protection::kIrreplaceable, ForPeople(part));
        !status.ok()) {
      return status.failure();
    }
    end = std::min(path.find(L'\\', end + 1), path.size());
  }
  return Done{};
}

// The absolute path with single backslashes, links not resolved.
Result<std::wstring> FullPath(const std::string& path) {
  const std::wstring wide = ToWide(path);
  std::wstring full(GetFullPathNameW(wide.c_str(), 0, nullptr, nullptr), L'\0');
  const DWORD units = GetFullPathNameW(wide.c_str(), static_cast<DWORD>(full.size()), full.data(), nullptr);
  if (units == 0 || units >= full.size()) return WindowsFailure("GetFullPathName", GetLastError(), path);
  full.resize(units);
  while (full.size() > EndOfRoot(full) && full.back() == L'\\') full.pop_back();
  return full;
}

// The path of an open directory with all links resolved.
Result<std::wstring> ResolvedPath(const OwnedDescriptor& directory, const std::string& path) {
  std::wstring resolved(GetFinalPathNameByHandleW(Handle(directory.get()), nullptr, 0, FILE_NAME_NORMALIZED),
                        L'\0');
  const DWORD units = GetFinalPathNameByHandleW(Handle(directory.get()), resolved.data(),
                                                static_cast<DWORD>(resolved.size()), FILE_NAME_NORMALIZED);
  if (units == 0 || units > resolved.size())
    return WindowsFailure("GetFinalPathNameByHandle", GetLastError(), path);
  resolved.resize(units);
  return resolved;
}

class WindowsFileDirectory final : public FileDirectory {
 public:
  WindowsFileDirectory(std::wstring path, OwnedDescriptor handle)
      : location_(std::move(path)), path_(ForPeople(location_)), handle_(std::move(handle)) {}

  const std::string& path() const override { return path_; }

  Status Claim(const std::string& lock_name) override {
    for (int tries = 1;; ++tries) {
      Result<OwnedDescriptor> lock = OpenChecked(lock_name, GENERIC_READ | GENERIC_WRITE, 0, OPEN_ALWAYS);
      if (lock.ok()) {
        lock_ = std::move(lock.value());
        return Done{};
      }
      if (lock.failure().kind != FailureKind::kAddressInUse || tries >= kLockTries) return lock.failure();
      Sleep(kLockPauseMs);
    }
  }

  Result<std::vector<std::string>> List() override {
    WIN32_FIND_DATAW entry{};
    const HANDLE search = FindFirstFileW(At("*").c_str(), &entry);
    if (search == INVALID_HANDLE_VALUE) return WindowsFailure("FindFirstFile", GetLastError(), path_);
    std::vector<std::string> names;
    do {
      const std::string name = ToNarrow(&entry.cFileName[0]);
      if (!name.empty() && name != "." && name != "..") names.push_back(name);
    } while (FindNextFileW(search, &entry) != 0);
    const DWORD code = GetLastError();
    FindClose(search);
    if (code != ERROR_NO_MORE_FILES) return WindowsFailure("FindNextFile", code, path_);
    return names;
  }

  Result<OwnedDescriptor> Open(const std::string& name, Access access) override {
    switch (access) {
      case Access::kRead: return OpenChecked(name, GENERIC_READ, kShareAll, OPEN_EXISTING);
      case Access::kWrite: return OpenChecked(name, GENERIC_READ | GENERIC_WRITE, kShareAll, OPEN_EXISTING);
      case Access::kCreate: return OpenChecked(name, GENERIC_READ | GENERIC_WRITE, kShareAll, CREATE_NEW);
    }
    return Failure{FailureKind::kNotSupported, 0, "CreateFile", name};
  }

  Status Remove(const std::string& name) override {
    if (DeleteFileW(At(name).c_str()) != 0) return Done{};
    const DWORD code = GetLastError();
    if (code == ERROR_FILE_NOT_FOUND) return Done{};
    return WindowsFailure("DeleteFile", code, PathOf(name));
  }

  Status Check(const std::string& name) override {
    Result<OwnedDescriptor> file = OpenChecked(name, 0, kShareAll, OPEN_EXISTING);
    if (!file.ok()) return file.failure();
    return Done{};
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (MoveFileExW(At(from).c_str(), At(to).c_str(), MOVEFILE_REPLACE_EXISTING) != 0) {
      return Done{};
    }
    return WindowsFailure("MoveFileEx", GetLastError(), PathOf(from));
  }

  // NTFS journals changes of names, and has no call to flush one directory.
  Status Sync() override { return Done{}; }

 private:
  std::string PathOf(const std::string& name) const { return path_ + "\\" + name; }
  std::wstring At(const std::string& name) const { return location_ + L"\\" + ToWide(name); }

  Result<OwnedDescriptor> OpenChecked(const std::string& name, DWORD rights, DWORD share, DWORD disposition) {
    const std::string path = PathOf(name);
    Result<LocalMemory<void>> security = OwnerOnly();
    if (!security.ok()) return security.failure();
    SECURITY_ATTRIBUTES attributes{sizeof(SECURITY_ATTRIBUTES), security.value().get(), FALSE};
    OwnedDescriptor file = Own(CreateFileW(At(name).c_str(), rights | READ_CONTROL, share, &attributes, disposition,
                                           FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
    if (!file.valid()) {
      const DWORD code = GetLastError();
      if (code == ERROR_SHARING_VIOLATION) {
        return WindowsFailure(FailureKind::kAddressInUse, "CreateFile", code, path_ + " is already open");
      }
      return WindowsFailure("CreateFile", code, path);
    }
    BY_HANDLE_FILE_INFORMATION facts{};
    if (GetFileInformationByHandle(Handle(file.get()), &facts) == 0) {
      return WindowsFailure("GetFileInformationByHandle", GetLastError(), path);
    }
    if ((facts.dwFileAttributes & (FILE_ATTRIBUTE_REPARSE_POINT | FILE_ATTRIBUTE_DIRECTORY)) != 0) {
      return Unsafe(path + " is not a regular file");
    }
    if (facts.nNumberOfLinks != 1) {
      return Unsafe(path + " has " + std::to_string(facts.nNumberOfLinks) +
                    " names, so it may be another file under a second name; remove it");
    }
    if (Status status = CheckAccess(Handle(file.get()), Protection::kPrivate, path); !status.ok()) {
      return status.failure();
    }
    return file;
  }

  const std::wstring location_;
  const std::string path_;
  const OwnedDescriptor handle_;
  OwnedDescriptor lock_;
};

// Creates a directory and its missing parents, for this user only.
Status MakeDirectories(const std::wstring& path) {
  Result<LocalMemory<void>> security = OwnerOnly();
  if (!security.ok()) return security.failure();
  SECURITY_ATTRIBUTES attributes{sizeof(SECURITY_ATTRIBUTES), security.value().get(), FALSE};
  if (CreateDirectoryW(path.c_str(), &attributes) != 0) return Done{};
  const DWORD code = GetLastError();
  if (code == ERROR_ALREADY_EXISTS) return Done{};
  const std::size_t slash = path.find_last_of(L"\\/");
  if (code != ERROR_PATH_NOT_FOUND || slash == std::wstring::npos || slash == 0) {
    return WindowsFailure("CreateDirectory", code, ToNarrow(path.c_str()));
  }
  if (Status above = MakeDirectories(path.substr(0, slash)); !above.ok()) return above.failure();
  if (CreateDirectoryW(path.c_str(), &attributes) != 0 || GetLastError() == ERROR_ALREADY_EXISTS) return Done{};
  return WindowsFailure("CreateDirectory", GetLastError(), ToNarrow(path.c_str()));
}

}  // namespace

Result<std::unique_ptr<FileDirectory>> OpenPrivateDirectory(const DirectoryRequest& request) {
  Result<std::wstring> full = FullPath(request.path);
  if (!full.ok()) return full.failure();
  const std::wstring& path = full.value();
  if (Status safe = CheckWay(path); !safe.ok()) return safe.failure();
  if (request.create) {
    if (Status made = MakeDirectories(path); !made.ok()) return made.failure();
  }
  OwnedDescriptor handle =
      Own(CreateFileW(path.c_str(), FILE_LIST_DIRECTORY | READ_CONTROL, FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr,
                      OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
  if (!handle.valid()) return WindowsFailure("CreateFile", GetLastError(), request.path);
  BY_HANDLE_FILE_INFORMATION facts{};
  if (GetFileInformationByHandle(Handle(handle.get()), &facts) == 0) {
    return WindowsFailure("GetFileInformationByHandle", GetLastError(), request.path);
  }
  if ((facts.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 ||
      (facts.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) == 0) {
    return Unsafe(request.path + " is not a directory, or is a link");
  }
  if (Status status = CheckAccess(Handle(handle.get()), Protection::kPrivate, request.path); !status.ok()) {
    return status.failure();
  }
  // Links on the way may lead elsewhere later, so they are not used again.
  Result<std::wstring> resolved = ResolvedPath(handle, request.path);
  if (!resolved.ok()) return resolved.failure();
  if (Status safe = CheckWay(resolved.value()); !safe.ok()) return safe.failure();
  return std::unique_ptr<FileDirectory>(
      std::make_unique<WindowsFileDirectory>(std::move(resolved.value()), std::move(handle)));
}

double MillisecondsSinceBoot() { return static_cast<double>(GetTickCount64()); }

// The number of starts, which Windows itself keeps for its prefetcher.
std::string BootId() {
  DWORD starts = 0;
  DWORD size = sizeof(starts);
  const LSTATUS status =
      RegGetValueW(HKEY_LOCAL_MACHINE,
                   L"SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management\\PrefetchParameters",
                   L"BootId", RRF_RT_REG_DWORD, nullptr, &starts, &size);
  return status == ERROR_SUCCESS ? std::to_string(starts) : std::string();
}

}  // namespace sentinel
