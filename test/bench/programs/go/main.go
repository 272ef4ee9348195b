// SOC messages as a Go program passes them: encoding/json and net, each message built, marshalled and written by itself,
// lines read with bufio.Scanner. Written from what the Go package's documentation says of it.
// Says `ready` when it can be reached, `measuring` when its warm-up is over, and its figures as one line of JSON.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

type message struct {
	Type      string          `json:"type"`
	ID        string          `json:"id,omitempty"`
	Timestamp int64           `json:"ts"`
	Payload   json.RawMessage `json:"payload,omitempty"`
}

type logonEvent struct {
	Host     string `json:"host"`
	User     string `json:"user"`
	SrcIP    string `json:"src_ip"`
	DstPort  int    `json:"dst_port"`
	Process  string `json:"process"`
	Sequence int    `json:"sequence"`
	Message  string `json:"message"`
}

// The payload of the scenario that varies the length of a message.
type textEvent struct {
	Sequence int    `json:"sequence"`
	Text     string `json:"text"`
}

const (
	writeTimeout  = 5 * time.Second
	maxLine       = 1 << 20
	firstSequence = 10_000_000
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func newMessage(kind string, payload any) *message {
	text, err := json.Marshal(payload)
	must(err)
	now := time.Now()
	return &message{Type: kind, ID: strconv.FormatInt(now.UnixNano(), 10), Timestamp: now.Unix(), Payload: text}
}

func send(conn net.Conn, m *message) error {
	line, err := json.Marshal(m)
	must(err)
	must(conn.SetWriteDeadline(time.Now().Add(writeTimeout)))
	_, err = conn.Write(append(line, '\n'))
	return err
}

func newScanner(conn net.Conn) *bufio.Scanner {
	scanner := bufio.NewScanner(conn)
	scanner.Buffer(make([]byte, 0, 64*1024), maxLine)
	return scanner
}

func receive(scanner *bufio.Scanner) *message {
	if !scanner.Scan() {
		must(scanner.Err())
		return nil
	}
	var m message
	must(json.Unmarshal(scanner.Bytes(), &m))
	return &m
}

func accept(path string) net.Conn {
	listener, err := net.Listen("unix", path)
	must(err)
	fmt.Println("ready")
	conn, err := listener.Accept()
	must(err)
	return conn
}

func dial(path string) net.Conn {
	conn, err := net.Dial("unix", path)
	must(err)
	return conn
}

func logon(i int) logonEvent {
	return logonEvent{"web-1.prod.example", "alice", "10.20.30.40", 443, "/usr/sbin/sshd", firstSequence + i%90_000_000,
		"Failed password for invalid user alice from 10.20.30.40 port 5123 ssh2"}
}

// textBytes 0: the event of the other scenarios.
func produce(path string, textBytes int) {
	conn := dial(path)
	text := strings.Repeat("x", textBytes)
	for i := 0; ; i++ {
		var payload any = logon(i)
		if textBytes > 0 {
			payload = textEvent{firstSequence + i%90_000_000, text}
		}
		if send(conn, newMessage("soc_event", payload)) != nil {
			return
		}
	}
}

func consume(path string, warmUp, measure time.Duration) {
	scanner := newScanner(accept(path))
	messages, bytes := 0, 0
	measuring := false
	since := time.Now()
	for {
		m := receive(scanner)
		if m == nil {
			must(fmt.Errorf("the producer hung up"))
		}
		messages++
		bytes += len(m.Payload)
		if !measuring && time.Since(since) >= warmUp {
			fmt.Println("measuring")
			measuring, messages, since = true, 0, time.Now()
		} else if measuring && time.Since(since) >= measure {
			break
		}
	}
	if bytes == 0 {
		must(fmt.Errorf("there were no payloads"))
	}
	fmt.Printf("{\"messages\":%d,\"seconds\":%.9f}\n", messages, time.Since(since).Seconds())
	awaitEndOfInput()
}

func echo(path string) {
	conn := accept(path)
	scanner := newScanner(conn)
	for {
		m := receive(scanner)
		if m == nil {
			return
		}
		var event logonEvent
		must(json.Unmarshal(m.Payload, &event))
		if send(conn, newMessage("soc_ack", event)) != nil {
			return
		}
	}
}

func ping(path string, warmUp, measure time.Duration) {
	conn := dial(path)
	scanner := newScanner(conn)
	var samples []time.Duration
	measureFrom := time.Now().Add(warmUp)
	end := measureFrom.Add(measure)
	for i := 0; time.Now().Before(end); i++ {
		begin := time.Now()
		must(send(conn, newMessage("soc_event", logon(i))))
		m := receive(scanner)
		var event logonEvent
		must(json.Unmarshal(m.Payload, &event))
		if event.Sequence != firstSequence+i {
			must(fmt.Errorf("an answer came out of turn"))
		}
		if begin.After(measureFrom) {
			samples = append(samples, time.Since(begin))
		}
	}
	sort.Slice(samples, func(a, b int) bool { return samples[a] < samples[b] })
	us := func(share float64) float64 {
		rank := int(float64(len(samples)) * share)
		if rank >= len(samples) {
			rank = len(samples) - 1
		}
		return float64(samples[rank].Nanoseconds()) / 1000
	}
	fmt.Printf("{\"p50Us\":%.3f,\"p90Us\":%.3f,\"p99Us\":%.3f,\"p999Us\":%.3f,\"maxUs\":%.3f}\n",
		us(0.5), us(0.9), us(0.99), us(0.999), us(1))
	awaitEndOfInput()
}

// The processor time of this process can be read only while it is there, and the other side must not end early.
func awaitEndOfInput() {
	_, err := io.Copy(io.Discard, os.Stdin)
	must(err)
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	must(err)
	return n
}

func milliseconds(text string) time.Duration {
	return time.Duration(number(text)) * time.Millisecond
}

func main() {
	args := os.Args[1:]
	switch {
	case len(args) == 3 && args[0] == "send":
		produce(args[1], number(args[2]))
	case len(args) == 4 && args[0] == "receive":
		consume(args[1], milliseconds(args[2]), milliseconds(args[3]))
	case len(args) == 2 && args[0] == "echo":
		echo(args[1])
	case len(args) == 4 && args[0] == "ping":
		ping(args[1], milliseconds(args[2]), milliseconds(args[3]))
	default:
		fmt.Fprintln(os.Stderr, "usage: go-peer send PATH TEXT_BYTES | receive PATH WARM_UP_MS MEASURE_MS | echo PATH | ping PATH WARM_UP_MS MEASURE_MS")
		os.Exit(2)
	}
}
