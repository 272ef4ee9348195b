// The form in which this package's encoder writes a line: {"type":"T","id":"I","ts":N,"payload":P}, without an
// empty id, with extra keys behind `ts` and a sequence number at the end. Most lines have it, so they are
// recognised by comparing a few positions; and a line that has exactly this form can be passed on as it is. Must
// not know streams.

#ifndef SENTINEL_OWN_FORM_H_
#define SENTINEL_OWN_FORM_H_

#include <cstddef>
#include <cstdint>

#include "frames/envelope.h"
#include "frames/frame_record.h"
#include "frames/json_walker.h"

namespace sentinel {

class OwnForm {
 public:
  // Takes the envelope of a line that ends at `end` up to the payload's value at once, if it has the form. Lines
  // must be given in order.
  bool TakeEnvelope(JsonWalker& walker, std::size_t end, Envelope& envelope);
  // Takes `"seq":N}` at once behind a comma, if the line ends there.
  static bool TakeSequence(JsonWalker& walker, std::size_t end, Envelope& envelope);

 private:
  // The last timestamp that was converted.
  Span last_timestamp_;
  std::int64_t last_seconds_ = 0;
};

// FormOf, for any line.
std::int32_t CompareForm(const std::uint8_t* text, Span line, const Envelope& envelope, const RareMembers& rare);

// Returns the flags kCanonical, kHasMeta and kMetaInPlace of a line that is a message, has no escape in its type or
// id and ends with a newline.
inline std::int32_t FormOf(const std::uint8_t* text, Span line, const Envelope& envelope, const RareMembers& rare) {
  // An envelope that TakeEnvelope recognised is canonical if nothing stands in front of it or behind the payload.
  const bool own = envelope.own && envelope.type.start == line.start + sizeof(R"({"type":")") - 1 &&
                   envelope.payload.end + 1 == line.end;
  return own ? static_cast<std::int32_t>(FrameRecord::kCanonical) : CompareForm(text, line, envelope, rare);
}

}  // namespace sentinel

#endif  // SENTINEL_OWN_FORM_H_
