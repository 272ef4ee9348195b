#include "node/abi.h"

#include <cstddef>

#include "abi/abi.h"
#include "admission/peer_policy.h"
#include "admission/peer_watcher.h"
#include "node/convert.h"

namespace sentinel {
namespace {

struct NamedNumber {
  const char* name;
  double number;
};

template <typename Number>
constexpr NamedNumber Named(const char* name, Number number) {
  return {name, static_cast<double>(number)};
}

constexpr NamedNumber kRecordWords[] = {
    Named("state", FrameRecord::kState),
    Named("typeCode", FrameRecord::kTypeCode),
    Named("flags", FrameRecord::kFlags),
    Named("lineStart", FrameRecord::kLineStart),
    Named("lineEnd", FrameRecord::kLineEnd),
    Named("typeStart", FrameRecord::kTypeStart),
    Named("typeEnd", FrameRecord::kTypeEnd),
    Named("idStart", FrameRecord::kIdStart),
    Named("idEnd", FrameRecord::kIdEnd),
    Named("payloadStart", FrameRecord::kPayloadStart),
    Named("payloadEnd", FrameRecord::kPayloadEnd),
    Named("timestampLow", FrameRecord::kTimestampLow),
    Named("timestampHigh", FrameRecord::kTimestampHigh),
    Named("errorOffset", FrameRecord::kErrorOffset),
    Named("sequenceLow", FrameRecord::kSequenceLow),
    Named("sequenceHigh", FrameRecord::kSequenceHigh),
    Named("count", FrameRecord::kWords),
};

constexpr NamedNumber kRecordFlags[] = {
    Named("ascii", FrameRecord::kAscii),
    Named("canonical", FrameRecord::kCanonical),
    Named("typeEscaped", FrameRecord::kTypeEscaped),
    Named("idEscaped", FrameRecord::kIdEscaped),
    Named("plainNames", FrameRecord::kPlainNames),
    Named("afterMark", FrameRecord::kAfterMark),
    Named("longNumber", FrameRecord::kLongNumber),
    Named("hasMeta", FrameRecord::kHasMeta),
    Named("metaInPlace", FrameRecord::kMetaInPlace),
};

constexpr NamedNumber kEnvelopeExtra[] = {
    Named("mostKeys", EnvelopeExtra::kMostKeys),
    Named("mostBytes", EnvelopeExtra::kMostBytes),
};

constexpr NamedNumber kFieldWords[] = {
    Named("lineStart", FieldWord::kLineStart),
    Named("first", FieldWord::kFirst),
    Named("each", FieldWord::kEach),
    Named("most", FieldWord::kMost),
};

constexpr NamedNumber kLineStates[] = {
    Named("message", LineState::kMessage),
    Named("syntax", LineState::kSyntax),
    Named("encoding", LineState::kEncoding),
    Named("depth", LineState::kDepth),
    Named("notAnObject", LineState::kNotAnObject),
    Named("typeMissing", LineState::kTypeMissing),
    Named("typeInvalid", LineState::kTypeInvalid),
    Named("idInvalid", LineState::kIdInvalid),
    Named("timestampInvalid", LineState::kTimestampInvalid),
    Named("duplicateKey", LineState::kDuplicateKey),
    Named("tooLarge", LineState::kTooLarge),
    Named("truncated", LineState::kTruncated),
    Named("ambiguousKey", LineState::kAmbiguousKey),
};

constexpr NamedNumber kMessageTypes[] = {
    Named("other", MessageType::kOther),         Named("event", MessageType::kEvent),
    Named("incident", MessageType::kIncident),   Named("ack", MessageType::kAck),
    Named("heartbeat", MessageType::kHeartbeat),
};

constexpr NamedNumber kProgressWords[] = {
    Named("textBegin", FrameProgress::kTextBegin), Named("textEnd", FrameProgress::kTextEnd),
    Named("more", FrameProgress::kMore),           Named("carried", FrameProgress::kCarried),
    Named("received", FrameProgress::kReceived),   Named("given", FrameProgress::kGiven),
    Named("turnOver", FrameProgress::kTurnOver),   Named("keptWait", FrameProgress::kKeptWait),
    Named("rounds", FrameProgress::kRounds),       Named("count", FrameProgress::kWords),
};

constexpr NamedNumber kTurnCosts[] = {
    Named("units", TurnCost::kUnits),
    Named("refusedLine", TurnCost::kRefusedLine),
    Named("bytesPerUnit", TurnCost::kBytesPerUnit),
    Named("read", TurnCost::kRead),
    Named("end", TurnCost::kEnd),
};

constexpr NamedNumber kLayoutWords[] = {
    Named("units", FrameLayout::kUnits),           Named("type", FrameLayout::kType),
    Named("idMillions", FrameLayout::kIdMillions), Named("idRest", FrameLayout::kIdRest),
    Named("idSequence", FrameLayout::kIdSequence), Named("timestamp", FrameLayout::kTimestamp),
    Named("count", FrameLayout::kWords),
};

constexpr NamedNumber kPollWords[] = {
    Named("microseconds", PollWord::kMicroseconds),
    Named("ifItPays", PollWord::kIfItPays),
    Named("gained", PollWord::kGained),
    Named("lost", PollWord::kLost),
    Named("count", PollWord::kWords),
};

constexpr NamedNumber kSingle[] = {
    Named("NOTHING_RECEIVED", FrameProgress::kNothing),
    Named("NO_ROOM", RecordCount::kNoRoom),
    Named("WRITABLE", RecordCount::kWritable),
    Named("READ_BYTES", kReadBytes),
    Named("WHOLE_FRAME", MessageType::kOther),
    Named("ENVELOPE_BYTES", FrameLayout::kEnvelopeBytes),
    Named("NUMBER_BYTES", kNumberBytes),
};

template <std::size_t count>
void Fill(Value object, const NamedNumber (&numbers)[count]) {
  for (const NamedNumber& one : numbers) object.Set(one.name, one.number);
}

template <std::size_t count>
void AddGroup(Value object, const char* name, const NamedNumber (&numbers)[count]) {
  const Value group = Value::Object(object.env());
  Fill(group, numbers);
  object.Set(name, group);
}

// The names of an enum's values, which are 0, 1, 2 … up to the first one without a name.
template <typename Enum>
void AddNames(Value object, const char* group, const char* (*name_of)(Enum)) {
  const Value names = Value::List(object.env());
  for (int value = 0;; ++value) {
    const char* const name = name_of(static_cast<Enum>(value));
    if (*name == '\0') break;
    names.Append(Value::Text(object.env(), name));
  }
  object.Set(group, names);
}

// abi() → the exports of lib/binding/abi.ts, by the same names
Value Abi(const Invocation& call) {
  const Value abi = Value::Object(call.env());
  AddGroup(abi, "RecordWord", kRecordWords);
  AddGroup(abi, "RecordFlag", kRecordFlags);
  AddGroup(abi, "EnvelopeExtra", kEnvelopeExtra);
  AddGroup(abi, "FieldWord", kFieldWords);
  AddGroup(abi, "LineState", kLineStates);
  AddGroup(abi, "MessageTypeCode", kMessageTypes);
  AddGroup(abi, "Progress", kProgressWords);
  AddGroup(abi, "TurnCost", kTurnCosts);
  AddGroup(abi, "LayoutWord", kLayoutWords);
  AddGroup(abi, "PollWord", kPollWords);
  Fill(abi, kSingle);
  AddNames(abi, "WATCH_STATES", WatchStateName);
  AddNames(abi, "FAILURE_KINDS", KindName);
  AddNames(abi, "VERDICTS", VerdictName);
  return abi;
}

}  // namespace

void DefineAbi(Value exports) { Export<Abi>(exports, "abi"); }

}  // namespace sentinel
