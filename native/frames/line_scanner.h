// Cuts a run of whole lines apart and has each one checked. simdjson's first stage (UTF-8, strings, positions of
// structural characters) runs over a block of many lines at once. If it objects, the block is checked line by line,
// so that one bad line affects no other. Must not know streams, sockets or Node-API.

#ifndef SENTINEL_LINE_SCANNER_H_
#define SENTINEL_LINE_SCANNER_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "frames/field_set.h"
#include "frames/frame_record.h"

namespace sentinel {

class FieldFinder;

// The rules for the lines of a stream.
struct LineRules {
  std::size_t max_line_bytes = 0;
  const FieldSet* fields = nullptr;  // that the rows of the sink have room for; null: none
};

class LineScanner {
 public:
  LineScanner();
  LineScanner(const LineScanner&) = delete;
  LineScanner& operator=(const LineScanner&) = delete;
  ~LineScanner();

  // Checks the lines in [begin, end) of `window`; end is just past a newline. An empty line gives no record. A line
  // of more than `rules.max_line_bytes`, without its ending, is refused. Stops when the sink is full. Returns the
  // start of the first line that was not checked, or `end`.
  std::size_t Scan(const std::uint8_t* window, std::size_t begin, std::size_t end, const LineRules& rules,
                   RecordSink& sink);

 private:
  struct Stage;  // simdjson's parser and its memory

  std::size_t ScanBlock(const std::uint8_t* window, std::size_t begin, std::size_t end, RecordSink& sink);
  std::size_t ScanOneByOne(const std::uint8_t* window, std::size_t begin, std::size_t end, RecordSink& sink);

  // Translates an error of simdjson to the state of a line.
  LineState StateOf(int error, std::size_t line_bytes) const;

  std::unique_ptr<Stage> stage_;
  std::unique_ptr<FieldFinder> finder_;  // once a stream has fields
  LineRules rules_;                      // of the current scan
};

}  // namespace sentinel

#endif  // SENTINEL_LINE_SCANNER_H_
