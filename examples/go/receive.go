// Reads messages as the Go package does: encoding/json takes repeated keys, and keys in another case, which this library
// refuses. test/interop/go-peer/vectors.go has a strict reader.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

const maxLine = 1<<20 - 1

func receive(from io.Reader) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine+1) // the newline needs room too
	for lines.Scan() {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			fmt.Println("invalid:", err)
			continue
		}
		fmt.Println(m.Type, string(m.Payload))
	}
	if err := lines.Err(); err != nil {
		fmt.Println("ended:", err)
	}
}
