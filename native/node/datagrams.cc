#include "node/datagrams.h"

#include "node/convert.h"
#include "platform/platform.h"

namespace sentinel {
namespace {

// sendDatagram(address, text): throws if the system did not accept it
Value SendDatagramFromScript(const Invocation& call) {
  if (!call[0].IsString() || !call[1].IsString()) {
    ThrowMisuse(call.env(), "sendDatagram: wrong arguments");
    return {};
  }
  if (Status sent = SendDatagram(call[0].ToText(), call[1].ToText()); !sent.ok()) {
    Throw(call.env(), sent.failure());
  }
  return {};
}

}  // namespace

void DefineDatagrams(Value exports) { Export<SendDatagramFromScript>(exports, "sendDatagram"); }

}  // namespace sentinel
