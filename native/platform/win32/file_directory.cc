// Private directories on Windows: the system has no openat, so names are joined to the resolved path, and the open
// handle of the directory, which shares no right to delete, keeps it in its place. The claim is a handle that
// shares nothing: no one else can open that file while it is open.

#include <aclapi.h>
#include <sddl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "platform/platform.h"
#include "platform/win32/sid.h"
#include "platform/win32/system.h"

namespace sentinel {
namespace {

constexpr DWORD kShareAll = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
// A virus scanner or a process that has just ended may still hold the file for a moment.
constexpr int kLockTries = 20;
constexpr DWORD kLockPauseMs = 5;

Failure Unsafe(std::string detail) { return {FailureKind::kUnsafePath, 0, "CreateFile", std::move(detail)}; }

// Full access for this user only; nothing is inherited.
Result<LocalMemory<void>> OwnerOnly() {
  Result<std::string> own = OwnSecurityId();
  if (!own.ok()) return own.failure();
  const std::string text = "O:" + own.value() + "D:P(A;OICI;FA;;;" + own.value() + ")";
  PSECURITY_DESCRIPTOR descriptor = nullptr;
  if (ConvertStringSecurityDescriptorToSecurityDescriptorW(ToWide(text).c_str(), SDDL_REVISION_1, &descriptor,
                                                           nullptr) == 0) {
    return WindowsFailure("ConvertStringSecurityDescriptorToSecurityDescriptor", GetLastError(), text);
  }
  return LocalMemory<void>(descriptor);
}

Status CheckOwner(HANDLE file, const std::string& path) {
  Result<std::string> own = OwnSecurityId();
  if (!own.ok()) return own.failure();
  PSID owner = nullptr;
  PSECURITY_DESCRIPTOR descriptor = nullptr;
  const DWORD code = GetSecurityInfo(file, SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION, &owner, nullptr, nullptr,
                                     nullptr, &descriptor);
  if (code != ERROR_SUCCESS) return WindowsFailure("GetSecurityInfo", code, path);
  const LocalMemory<void> owned(descriptor);
  Result<std::string> text = SidText(owner);
  if (!text.ok()) return text.failure();
  // Files created by an administrator may belong to the Administrators group (S-1-5-32-544).
  if (text.value() == own.value() || text.value() == "S-1-5-32-544") return Done{};
  return Unsafe(path + " belongs to " + text.value() + "; it must belong to this user");
}

class WindowsFileDirectory final : public FileDirectory {
 public:
  WindowsFileDirectory(std::string path, OwnedDescriptor handle)
      : path_(std::move(path)), handle_(std::move(handle)) {}

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
    const HANDLE search = FindFirstFileW(ToWide(path_ + "\\*").c_str(), &entry);
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
    if (DeleteFileW(ToWide(PathOf(name)).c_str()) != 0) return Done{};
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
    if (MoveFileExW(ToWide(PathOf(from)).c_str(), ToWide(PathOf(to)).c_str(), MOVEFILE_REPLACE_EXISTING) != 0) {
      return Done{};
    }
    return WindowsFailure("MoveFileEx", GetLastError(), PathOf(from));
  }

  // NTFS journals changes of names, and has no call to flush one directory.
  Status Sync() override { return Done{}; }

 private:
  std::string PathOf(const std::string& name) const { return path_ + "\\" + name; }

  Result<OwnedDescriptor> OpenChecked(const std::string& name, DWORD rights, DWORD share, DWORD disposition) {
    const std::string path = PathOf(name);
    Result<LocalMemory<void>> security = OwnerOnly();
    if (!security.ok()) return security.failure();
    SECURITY_ATTRIBUTES attributes{sizeof(SECURITY_ATTRIBUTES), security.value().get(), FALSE};
    OwnedDescriptor file =
        Own(CreateFileW(ToWide(path).c_str(), rights | READ_CONTROL, share, &attributes, disposition,
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
    if (Status status = CheckOwner(Handle(file.get()), path); !status.ok()) return status.failure();
    return file;
  }

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
  const std::wstring path = ToWide(request.path);
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
  if (Status status = CheckOwner(Handle(handle.get()), request.path); !status.ok()) return status.failure();
  return std::unique_ptr<FileDirectory>(std::make_unique<WindowsFileDirectory>(request.path, std::move(handle)));
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
