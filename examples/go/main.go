// A peer in Go, with the standard library alone. Usage: go run . send|receive /tmp/sentinel-events.sock
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"time"
)

type message struct {
	Type    string          `json:"type"`
	ID      string          `json:"id,omitempty"`
	TS      int64           `json:"ts"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

func main() {
	conn, err := net.Dial("unix", os.Args[2])
	if err == nil {
		err = checkPeer(conn.(*net.UnixConn)) // before a byte is sent or read
	}
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	for number := 1; os.Args[1] == "send" && number <= 3; number++ {
		payload := json.RawMessage(fmt.Sprintf(`{"from":"go","number":%d}`, number))
		if err := json.NewEncoder(conn).Encode(message{"soc_event", fmt.Sprint(number), time.Now().Unix(), payload}); err != nil {
			log.Fatal(err)
		}
	}
	if os.Args[1] == "receive" {
		receive(conn)
	}
}
