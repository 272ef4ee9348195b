#include "frames/own_form.h"

#include <cstring>
#include <string_view>

namespace sentinel {
namespace {

constexpr std::string_view kPayloadKey = R"(,"payload":)";

bool Same(const std::uint8_t* bytes, std::string_view text) {
  return std::memcmp(bytes, text.data(), text.size()) == 0;
}

}  // namespace

// The structural characters are where the text has them only if no string was left open before, so each position is
// compared.
bool OwnForm::TakeEnvelope(JsonWalker& walker, std::size_t end, Envelope& envelope) {
  constexpr std::string_view kOpen = R"({"type":")";
  constexpr std::string_view kBeforeId = R"(","id":")";
  constexpr std::string_view kBeforeTimestamp = R"(","ts":)";
  const std::uint32_t* const at = walker.cursor;
  const auto stands = [&](std::size_t where, std::string_view what) {
    return where + what.size() <= end && Same(walker.text + where, what);
  };

  const std::size_t open = at[0];
  if (!stands(open, kOpen) || at[1] != open + 1 || at[2] != open + 7 || at[3] != open + 8) return false;
  const Span type = {open + kOpen.size(), at[4] - std::size_t{1}};
  if (type.end <= type.start || !stands(type.end, kBeforeId) || at[5] != type.end + 2 || at[6] != type.end + 6 ||
      at[7] != type.end + 7) {
    return false;
  }
  const Span id = {type.end + kBeforeId.size(), at[8] - std::size_t{1}};
  if (id.end <= id.start || !stands(id.end, kBeforeTimestamp) || at[9] != id.end + 2 || at[10] != id.end + 6 ||
      at[11] != id.end + 7) {
    return false;
  }
  const Span timestamp = {id.end + kBeforeTimestamp.size(), at[12]};
  if (!stands(timestamp.end, kPayloadKey) || at[13] != timestamp.end + 1 || at[14] != timestamp.end + 10 ||
      at[15] != timestamp.end + kPayloadKey.size()) {
    return false;
  }
  // A number without sign or leading zero, short enough to be safe. LineChecker handles the others.
  if (timestamp.size() == 0 || timestamp.size() >= kMaxSafeDigits || walker.text[timestamp.start] == '0')
    return false;
  // Most lines of a block have the same timestamp.
  if (timestamp.size() != last_timestamp_.size() ||
      std::memcmp(walker.text + timestamp.start, walker.text + last_timestamp_.start, timestamp.size()) != 0) {
    std::int64_t seconds = 0;
    for (std::size_t i = timestamp.start; i < timestamp.end; ++i) {
      if (!IsDigit(walker.text[i])) return false;
      seconds = seconds * 10 + (walker.text[i] - '0');
    }
    last_timestamp_ = timestamp;
    last_seconds_ = seconds;
  }

  envelope.type = type;
  envelope.id = id;
  envelope.timestamp = timestamp;
  envelope.seconds = last_seconds_;
  envelope.seen =
      Bit(EnvelopeKey::kType) | Bit(EnvelopeKey::kId) | Bit(EnvelopeKey::kTimestamp) | Bit(EnvelopeKey::kPayload);
  envelope.own = true;
  walker.cursor = at + 15;
  return true;
}

bool OwnForm::TakeSequence(JsonWalker& walker, std::size_t end, Envelope& envelope) {
  constexpr std::string_view kKey = R"("seq":)";
  const std::uint32_t* const at = walker.cursor;
  const std::size_t digits = at[0] + kKey.size();
  // The key first: only then do the positions after it belong to this line.
  if (digits >= end || !Same(walker.text + at[0], kKey) || at[1] != at[0] + 5 || at[2] != digits) {
    return false;
  }
  const std::size_t close = at[3];
  if (close <= digits || close - digits >= kMaxSafeDigits || walker.text[close] != '}' ||
      walker.text[digits] == '0')
    return false;
  std::uint64_t sequence = 0;
  for (std::size_t i = digits; i < close; ++i) {
    if (!IsDigit(walker.text[i])) return false;
    sequence = sequence * 10 + static_cast<std::uint64_t>(walker.text[i] - '0');
  }
  envelope.sequence = sequence;
  walker.cursor = at + 4;
  return true;
}

std::int32_t CompareForm(const std::uint8_t* text, Span line, const Envelope& envelope, const RareMembers& rare) {
  // If the parts stand in the order of the form and the line has exactly their bytes, there is nothing else in it.
  const bool in_order = envelope.type.start < envelope.timestamp.start &&
                        envelope.timestamp.start < envelope.payload.start &&
                        (envelope.id.size() == 0 ||
                         (envelope.type.start < envelope.id.start && envelope.id.start < envelope.timestamp.start));
  const std::size_t id_bytes = envelope.id.size() == 0 ? 0 : envelope.id.size() + sizeof(R"(,"id":"")") - 1;
  const std::size_t head_bytes =
      sizeof(R"({"type":"","ts":)") - 1 + envelope.type.size() + id_bytes + envelope.timestamp.size();
  const bool minus_zero = envelope.seconds == 0 && envelope.timestamp.size() > 1;
  if (!HasMeta(envelope, rare)) {
    const bool canonical = in_order && !minus_zero &&
                           line.end - line.start == head_bytes + kPayloadKey.size() + envelope.payload.size() + 1;
    return canonical ? FrameRecord::kCanonical : 0;
  }
  const bool numbered_behind =
      (envelope.seen & Bit(EnvelopeKey::kSequence)) == 0 || rare.sequence_at > envelope.payload.end;
  const bool in_place =
      in_order && !minus_zero && numbered_behind && envelope.timestamp.end - line.start == head_bytes &&
      text[envelope.timestamp.end] == ',' && rare.extras_start == envelope.timestamp.end + 1 &&
      rare.extras_end + kPayloadKey.size() == envelope.payload.start && Same(text + rare.extras_end, kPayloadKey);
  if (!in_place) return FrameRecord::kHasMeta;
  const bool canonical = envelope.payload.end + 1 == line.end;
  return FrameRecord::kHasMeta | FrameRecord::kMetaInPlace | (canonical ? FrameRecord::kCanonical : 0);
}

}  // namespace sentinel
