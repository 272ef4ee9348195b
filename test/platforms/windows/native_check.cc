// Checks of the Windows platform that only C++ can make: the flags that the
// system is called with, the security of a pipe as it reads back, the wires,
// waits for many things. Prints "ok" or "not ok" and a name for each;
// native.check.ts runs it.

#include <aclapi.h>
#include <sddl.h>

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "admission/peer_policy.h"
#include "platform/platform.h"
#include "platform/win32/access_list.h"
#include "platform/win32/system.h"

namespace {

struct PipeCall {
  DWORD open_mode;
  DWORD pipe_mode;
  DWORD most_instances;
};
std::vector<PipeCall> pipe_calls;
std::vector<DWORD> file_flags;

template <typename Function>
Function Real(const char *name) {
  const FARPROC found = GetProcAddress(GetModuleHandleW(L"kernelbase.dll"), name);
  return reinterpret_cast<Function>(reinterpret_cast<void *>(found));
}

HANDLE WINAPI RecordPipe(LPCWSTR name, DWORD open_mode, DWORD pipe_mode, DWORD most, DWORD out, DWORD in,
                         DWORD wait, LPSECURITY_ATTRIBUTES security) {
  pipe_calls.push_back({open_mode, pipe_mode, most});
  return Real<decltype(&CreateNamedPipeW)>("CreateNamedPipeW")(name, open_mode, pipe_mode, most, out, in, wait,
                                                               security);
}

HANDLE WINAPI RecordFile(LPCWSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security, DWORD disposition,
                         DWORD flags, HANDLE like) {
  file_flags.push_back(flags);
  return Real<decltype(&CreateFileW)>("CreateFileW")(name, access, share, security, disposition, flags, like);
}

}  // namespace

// What the code under test calls through, instead of the import library's.
extern "C" {
extern decltype(&CreateNamedPipeW) record_pipe asm("__imp_CreateNamedPipeW");
decltype(&CreateNamedPipeW) record_pipe = RecordPipe;
extern decltype(&CreateFileW) record_file asm("__imp_CreateFileW");
decltype(&CreateFileW) record_file = RecordFile;
}

namespace {

using namespace sentinel;  // NOLINT(google-build-using-namespace): this is the
                           // test of it

int failures = 0;

void Check(const char *name, bool good) {
  std::printf("%s %s\n", good ? "ok" : "not ok", name);
  if (!good) ++failures;
}

// Owner and access list of a pipe, as text.
std::string SecurityOf(Descriptor pipe) {
  PSECURITY_DESCRIPTOR descriptor = nullptr;
  const SECURITY_INFORMATION what = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
  if (GetSecurityInfo(Handle(pipe), SE_KERNEL_OBJECT, what, nullptr, nullptr, nullptr, nullptr, &descriptor) != 0) {
    return "unreadable";
  }
  const LocalMemory<void> owned(descriptor);
  wchar_t *text = nullptr;
  if (ConvertSecurityDescriptorToStringSecurityDescriptorW(descriptor, SDDL_REVISION_1, what, &text, nullptr) ==
      0) {
    return "no text";
  }
  const LocalMemory<wchar_t> owned_text(text);
  return ToNarrow(text);
}

struct Listening {
  std::unique_ptr<ServerEndpoint> server;
  OwnedDescriptor client;
  OwnedDescriptor accepted;
};

Listening ListenAndConnect(const std::string &path, const std::vector<std::string> &others) {
  ListenRequest request;
  request.path = path;
  request.backlog = 3;
  request.security_ids = others;
  Listening made;
  Result<std::unique_ptr<ServerEndpoint>> server = Listen(request);
  if (!server.ok()) return made;
  made.server = std::move(server.value());
  Result<OwnedDescriptor> client = Connect(path);
  if (!client.ok()) return made;
  made.client = std::move(client.value());
  made.server->Wait(5000, true);
  if (Result<OwnedDescriptor> accepted = made.server->Accept(); accepted.ok()) {
    made.accepted = std::move(accepted.value());
  }
  return made;
}

void CheckFlags(const std::string &own) {
  pipe_calls.clear();
  file_flags.clear();
  const Listening made = ListenAndConnect("\\\\.\\pipe\\sentinel-native-check", {});
  Check("a client connects and is accepted", made.accepted.valid());
  // Three that wait, and one in the place of the one that was taken.
  Check("an instance is made for each that waits, and before one is taken", pipe_calls.size() == 4);
  bool first = true;
  for (const PipeCall &call : pipe_calls) {
    Check("remote clients are rejected", (call.pipe_mode & PIPE_REJECT_REMOTE_CLIENTS) != 0);
    Check("the mode is bytes", (call.pipe_mode & (PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_NOWAIT)) == 0);
    Check(first ? "the first instance claims the name" : "a later instance does not",
          ((call.open_mode & FILE_FLAG_FIRST_PIPE_INSTANCE) != 0) == first);
    first = false;
  }
  Check("the dialler lets the server identify it, no more",
        file_flags.size() == 1 && (file_flags[0] & SECURITY_SQOS_PRESENT) != 0 &&
            (file_flags[0] & (SECURITY_IMPERSONATION | SECURITY_DELEGATION)) == SECURITY_IDENTIFICATION);
  Check("the pipe reads back as ours, for us alone, protected",
        SecurityOf(made.accepted.get()) == "O:" + own + "D:P(A;;FA;;;" + own + ")");
  DWORD flags = 0;
  Check("neither end is inherited by children",
        GetHandleInformation(Handle(made.accepted.get()), &flags) != 0 && (flags & HANDLE_FLAG_INHERIT) == 0 &&
            GetHandleInformation(Handle(made.client.get()), &flags) != 0 && (flags & HANDLE_FLAG_INHERIT) == 0);

  ListenRequest again;
  again.path = "\\\\.\\pipe\\sentinel-native-check";
  Result<std::unique_ptr<ServerEndpoint>> second = Listen(again);
  Check("a second listener is refused", !second.ok() && second.failure().kind == FailureKind::kAddressInUse);
}

void CheckOthers(const std::string &own) {
  const std::string other = "S-1-5-21-1-2-3-1000";
  const Listening made = ListenAndConnect("\\\\.\\pipe\\sentinel-native-check-2", {own, other});
  const std::string text = SecurityOf(made.accepted.get());
  Check("another user of the policy may read and write, not make instances",
        text == "O:" + own + "D:P(A;;FA;;;" + own + ")(A;;0x12019b;;;" + other + ")");
  if (text.find(other) == std::string::npos) std::printf("# %s\n", text.c_str());
}

void CheckIdentity(const std::string &own) {
  const Listening made = ListenAndConnect("\\\\.\\pipe\\sentinel-native-check-3", {});
  for (const Descriptor end : {made.client.get(), made.accepted.get()}) {
    Result<PeerIdentity> peer = ReadPeerIdentity(end);
    Check("the other end is this process and this user",
          peer.ok() && peer.value().security_id == own && !peer.value().user_id.has_value() &&
              peer.value().process_id == static_cast<std::int64_t>(GetCurrentProcessId()));
    if (!peer.ok()) continue;
    PeerPolicy policy;
    policy.security_ids = {own};
    Check("its user passes where listed", Judge(peer.value(), policy, {}) == Verdict::kAdmitted);
    peer.value().security_id = "S-1-5-21-1-2-3-1000";
    Check("another user does not", Judge(peer.value(), policy, {}) == Verdict::kNotListed);
    peer.value().security_id.clear();
    Check("a peer without a user does not pass", Judge(peer.value(), policy, {}) == Verdict::kNoUser);
  }
  Check("what is no pipe has no identity", !ReadPeerIdentity(CreateWaker().value().get()).ok());
}

void CheckWaits() {
  std::vector<OwnedDescriptor> wakers;
  std::vector<Descriptor> watched;
  for (int i = 0; i < 150; ++i) {
    wakers.push_back(std::move(CreateWaker().value()));
    watched.push_back(wakers.back().get());
  }
  std::vector<bool> ready;
  Check("nothing is ready before", WaitReadable(watched, 1, ready) && !ready[149]);
  Wake(watched[149]);
  Check("of many things the last one is noticed", WaitReadable(watched, -1, ready) && ready[149] && !ready[0]);
  DrainWaker(watched[149]);
  Check("and not again", WaitReadable(watched, 1, ready) && !ready[149]);

  ListenRequest request;
  request.path = "\\\\.\\pipe\\sentinel-native-check-4";
  Result<std::unique_ptr<ServerEndpoint>> server = Listen(request);
  server.value()->Interrupt();
  Check("an interrupt ends a wait", server.value()->Wait(-1, true) == ServerEndpoint::Event::kInterrupted);
  Check("once", server.value()->Wait(1, true) == ServerEndpoint::Event::kTimeout);
  server.value().reset();
  Result<OwnedDescriptor> client = Connect(request.path);
  Check("there is no listener afterwards", !client.ok() && client.failure().kind == FailureKind::kNotListening);
}

void CheckWire() {
  Result<NotifyPair> wire = CreateNotifyPair();
  Check("a wire is made", wire.ok());
  if (!wire.ok()) return;
  // The pipe is not read: it fills up, and writing neither blocks nor loses count.
  std::uint64_t sent = 0;
  while (sent < 1'000'000 && NotifyNumber(wire.value().thread.get(), sent)) ++sent;
  Check("a full wire says so", sent > 0 && sent < 1'000'000);
  std::uint64_t read = 0;
  bool in_order = true;
  for (;; ++read) {
    DWORD waiting = 0;
    if (PeekNamedPipe(Handle(wire.value().loop.get()), nullptr, 0, nullptr, &waiting, nullptr) == 0 || waiting == 0)
      break;
    std::uint64_t number = 0;
    OVERLAPPED overlapped{};
    DWORD bytes = 0;
    ReadFile(Handle(wire.value().loop.get()), &number, sizeof(number), nullptr, &overlapped);
    GetOverlappedResult(Handle(wire.value().loop.get()), &overlapped, &bytes, TRUE);
    in_order = in_order && bytes == sizeof(number) && number == read;
  }
  Check("what was sent arrives, whole and in order, and nothing else", in_order && read == sent);
  wire.value().loop.Reset();
  Check("writing to a wire whose other end is closed is no failure", Notify(wire.value().thread.get()));
}

// An access list in the language of security descriptors.
LocalMemory<void> Described(const std::string &text) {
  PSECURITY_DESCRIPTOR descriptor = nullptr;
  ConvertStringSecurityDescriptorToSecurityDescriptorW(ToWide(text).c_str(), SDDL_REVISION_1, &descriptor, nullptr);
  return LocalMemory<void>(descriptor);
}

ACL *ListOf(const LocalMemory<void> &descriptor) {
  BOOL present = FALSE;
  BOOL defaulted = FALSE;
  ACL *list = nullptr;
  GetSecurityDescriptorDacl(descriptor.get(), &present, &list, &defaulted);
  return list;
}

std::string OtherIn(const std::string &text, Protection protection, const std::string &own) {
  const LocalMemory<void> descriptor = Described(text);
  return FindOtherWithAccess(ListOf(descriptor), protection, own);
}

void CheckAccessLists(const std::string &own) {
  const std::string other = "S-1-5-21-1-2-3-1000";
  const std::string mine = "D:P(A;;FA;;;" + own + ")(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;OW)";
  const auto granted = [&](const std::string &rights) { return mine + "(A;;" + rights + ";;;" + other + ")"; };
  Check("this user and the system count as no others", OtherIn(mine, Protection::kPrivate, own).empty());
  Check("another user who may read is noticed", OtherIn(granted("FR"), Protection::kPrivate, own) == other);
  Check("everyone is noticed", OtherIn(mine + "(A;;0x1;;;WD)", Protection::kPrivate, own) == "S-1-1-0");
  Check("no list at all lets everyone in", FindOtherWithAccess(nullptr, Protection::kPrivate, own) == "S-1-1-0");
  Check("a denial grants no access", OtherIn(mine + "(D;;FA;;;" + other + ")", Protection::kPrivate, own).empty());
  Check("an entry for files that are made later is passed over",
        OtherIn(mine + "(A;OICIIO;FA;;;" + other + ")", Protection::kPrivate, own).empty());
  // Wine does not know the text of conditional entries. They begin as others do.
  const LocalMemory<void> conditional = Described(granted("FR"));
  void *last = nullptr;
  GetAce(ListOf(conditional), 4, &last);
  static_cast<ACE_HEADER *>(last)->AceType = ACCESS_ALLOWED_CALLBACK_ACE_TYPE;
  Check("a conditional entry counts", FindOtherWithAccess(ListOf(conditional), Protection::kPrivate, own) == other);
  for (const char *right : {"SD", "0x40", "WD", "WO", "GA", "FA"}) {
    Check((std::string("who has ") + right + " may replace a directory").c_str(),
          OtherIn(granted(right), Protection::kIrreplaceable, own) == other);
  }
  Check("who may only make new files in a directory may not replace it",
        OtherIn(granted("0x6"), Protection::kIrreplaceable, own).empty());
}

bool SetList(const std::string &path, const std::string &text) {
  const LocalMemory<void> descriptor = Described(text);
  std::wstring wide = ToWide(path);
  return SetNamedSecurityInfoW(wide.data(), SE_FILE_OBJECT,
                               DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION, nullptr, nullptr,
                               ListOf(descriptor), nullptr) == ERROR_SUCCESS;
}

bool Refused(const std::string &path) {
  Result<std::unique_ptr<FileDirectory>> opened = OpenPrivateDirectory({path, true});
  return !opened.ok() && opened.failure().kind == FailureKind::kUnsafePath;
}

// Wine keeps the mode of a file of Unix, not its list, so only the owner and everyone have rights here.
void CheckDirectories(const std::string &own) {
  wchar_t temporary[MAX_PATH + 1] = L"";
  GetTempPathW(MAX_PATH, temporary);
  const std::string above = ToNarrow(temporary) + "sentinel-native-check-" + std::to_string(GetCurrentProcessId());
  const std::string path = above + "\\inner";
  const std::string mine = "D:P(A;OICI;FA;;;" + own + ")";
  {
    Result<std::unique_ptr<FileDirectory>> opened = OpenPrivateDirectory({path + "\\", true});
    Check("a private directory is made with those above it", opened.ok());
    if (!opened.ok()) std::printf("# %s\n", opened.failure().detail.c_str());
    if (!opened.ok()) return;
    Result<OwnedDescriptor> file = opened.value()->Open("file", FileDirectory::Access::kCreate);
    Check("a file in it is made", file.ok());
    const std::string security = file.ok() ? SecurityOf(file.value().get()) : "none";
    Check("the file is for this user alone",
          security.rfind("O:" + own, 0) == 0 && security.find(";;;WD") == std::string::npos);
    std::printf("# %s\n", security.c_str());
    file.value().Reset();
    Check("a list is set", SetList(path + "\\file", mine + "(A;;FR;;;WD)"));
    file = opened.value()->Open("file", FileDirectory::Access::kRead);
    Check("a file that everyone may read is refused",
          !file.ok() && file.failure().kind == FailureKind::kUnsafePath);
    opened.value()->Remove("file");
  }
  Check("it opens again", !Refused(path));
  SetList(path, mine + "(A;;FR;;;WD)");
  Check("a directory that everyone may read is refused", Refused(path));
  SetList(path, mine + "(A;;FA;;;WD)");
  Check("a directory that everyone may write to is refused", Refused(path));
  SetList(path, mine);
  Check("it opens once they may not", !Refused(path));
  SetList(above, mine + "(A;;FA;;;WD)");
  Check("a directory below one whose files everyone may replace is refused", Refused(path));
  SetList(above, mine);
  RemoveDirectoryW(ToWide(path).c_str());
  SetList(above, mine + "(A;;FA;;;WD)");
  Check("nothing is made below such a directory",
        Refused(path) && GetFileAttributesW(ToWide(path).c_str()) == INVALID_FILE_ATTRIBUTES);
  RemoveDirectoryW(ToWide(above).c_str());
}

}  // namespace

int main() {
  // So that a crash loses nothing.
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  Result<std::string> own = OwnSecurityId();
  Check("this process has a user", own.ok() && own.value().rfind("S-1-", 0) == 0);
  if (!own.ok()) return 1;
  CheckFlags(own.value());
  CheckOthers(own.value());
  CheckIdentity(own.value());
  CheckWaits();
  CheckWire();
  CheckAccessLists(own.value());
  CheckDirectories(own.value());
  return failures == 0 ? 0 : 1;
}
