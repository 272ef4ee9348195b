// A strict reader of lines, and its check against the test vectors. encoding/json alone takes repeated keys, keys in another
// case, and bytes that are not UTF-8.
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxDepth     = 256
	maxTimestamp = 1<<53 - 1
)

// depthOf returns the deepest nesting of a JSON text.
func depthOf(line []byte) (deepest int) {
	depth, inString := 0, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == '{' || c == '['):
			if depth++; depth > deepest {
				deepest = depth
			}
		case !inString && (c == '}' || c == ']'):
			depth--
		}
	}
	return deepest
}

// members returns the values of the envelope keys, each of which may come once and in its own case.
func members(line []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	values := map[string]json.RawMessage{}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		for _, known := range []string{"type", "id", "ts", "payload"} {
			if name := key.(string); strings.EqualFold(name, known) {
				if _, twice := values[known]; twice || name != known {
					return nil, errors.New("ambiguous key " + name)
				}
				values[known] = value
			}
		}
	}
	return values, nil
}

// text returns a value that must be a string; "" if it is absent.
func text(value json.RawMessage) (result string, err error) {
	if value == nil {
		return "", nil
	}
	if value[0] != '"' {
		return "", errors.New("not a string")
	}
	return result, json.Unmarshal(value, &result)
}

// parse returns the message of a line without its newline; nil for an empty line.
func parse(line []byte) (*socMessage, error) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return nil, nil
	}
	if len(line) >= maxLineAndNewline || depthOf(line) > maxDepth || !utf8.Valid(line) || !json.Valid(line) {
		return nil, errors.New("too large, too deep, not UTF-8 or not JSON")
	}
	values, err := members(line)
	if err != nil {
		return nil, err
	}
	m := socMessage{Payload: values["payload"]}
	if m.Type, err = text(values["type"]); err != nil || m.Type == "" {
		return nil, errors.New("no type")
	}
	if m.ID, err = text(values["id"]); err != nil {
		return nil, err
	}
	if ts := values["ts"]; ts != nil {
		m.Timestamp, err = strconv.ParseInt(string(ts), 10, 64)
		if err != nil || m.Timestamp > maxTimestamp || m.Timestamp < -maxTimestamp {
			return nil, errors.New("ts is not an integer within 2^53")
		}
	}
	return &m, nil
}

// vectorText is a text, or one that is made of a filling.
type vectorText struct {
	text, Before, Fill, After string
	Count                     int
}

func (t *vectorText) UnmarshalJSON(from []byte) error {
	if from[0] == '"' {
		return json.Unmarshal(from, &t.text)
	}
	type plain vectorText
	return json.Unmarshal(from, (*plain)(t))
}

func (t vectorText) String() string {
	return t.text + t.Before + strings.Repeat(t.Fill, t.Count) + t.After
}

type vector struct {
	Name, Line, Hex, Before, Fill, After, Invalid string
	Count                                         int
	First, Skipped                                bool
	Means                                         *struct {
		Type, ID string
		TS       int64
		Payload  *vectorText
	}
}

func (v vector) bytes() []byte {
	line, err := hex.DecodeString(v.Hex)
	must(err)
	if v.First { // a byte order mark is skipped at the start of a stream alone
		return bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	made := vectorText{text: v.Line, Before: v.Before, Fill: v.Fill, After: v.After, Count: v.Count}
	return append(line, made.String()...)
}

func (v vector) passes() bool {
	m, err := parse(v.bytes())
	switch {
	case v.Invalid != "":
		return err != nil
	case v.Skipped:
		return err == nil && m == nil
	}
	if err != nil || m == nil || m.Type != v.Means.Type || m.ID != v.Means.ID || m.Timestamp != v.Means.TS {
		return false
	}
	return v.Means.Payload == nil && m.Payload == nil ||
		v.Means.Payload != nil && m.Payload != nil && string(m.Payload) == v.Means.Payload.String()
}

// checkVectors says how many vectors there are, and which fail.
func checkVectors(path string) {
	content, err := os.ReadFile(path)
	must(err)
	var vectors []vector
	must(json.Unmarshal(content, &vectors))
	failed := []string{}
	for _, v := range vectors {
		if !v.passes() {
			failed = append(failed, v.Name)
		}
	}
	say(map[string]any{"checked": len(vectors), "failed": failed})
}
