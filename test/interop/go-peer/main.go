// A peer as the Go package speaks: encoding/json, bufio.Scanner and net, written from the facts in wire-format.md alone.
// Used by test/interop; says what it sees as JSON lines on its standard output.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

type message struct {
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload"`
}

type handshake struct {
	FromPeerID string `json:"from_peer_id"`
	FromNode   string `json:"from_node"`
	GenomeHash string `json:"genome_hash"`
	Timestamp  int64  `json:"timestamp"`
	Nonce      string `json:"nonce"`
}

type handshakeAck struct {
	ToPeerID   string `json:"to_peer_id"`
	ToNode     string `json:"to_node"`
	GenomeHash string `json:"genome_hash"`
	Match      bool   `json:"match"`
	Trust      int    `json:"trust"`
	Timestamp  int64  `json:"timestamp"`
}

type fact struct {
	ID        string    `json:"id"`
	Content   string    `json:"content"`
	Level     int       `json:"level"`
	Domain    string    `json:"domain,omitempty"`
	Module    string    `json:"module,omitempty"`
	IsGene    bool      `json:"is_gene"`
	Source    string    `json:"source"`
	CreatedAt time.Time `json:"created_at"`
}

// What the incidents of both protocols begin with.
type incidentCore struct {
	ID              string `json:"id"`
	Status          string `json:"status"`
	Severity        string `json:"severity"`
	Title           string `json:"title"`
	Description     string `json:"description"`
	EventCount      int    `json:"event_count"`
	CorrelationRule string `json:"correlation_rule"`
}

type incident struct {
	incidentCore
	KillChainPhase string    `json:"kill_chain_phase"`
	MitreMapping   []string  `json:"mitre_mapping,omitempty"`
	CreatedAt      time.Time `json:"created_at"`
	SourcePeerID   string    `json:"source_peer_id"`
}

type syncPayload struct {
	Version    string     `json:"version,omitempty"`
	FromPeerID string     `json:"from_peer_id"`
	GenomeHash string     `json:"genome_hash"`
	Facts      []fact     `json:"facts"`
	Incidents  []incident `json:"incidents,omitempty"`
	SyncedAt   time.Time  `json:"synced_at"`
}

type socMessage struct {
	Type      string          `json:"type"`
	ID        string          `json:"id,omitempty"`
	Timestamp int64           `json:"ts"`
	Payload   json.RawMessage `json:"payload,omitempty"`
}

const (
	selfID       = "peer_0123456789abcdef01234567"
	exchangeTime = 5 * time.Second
	// The scanner's buffer must hold the newline too, so the longest line has 1,048,575 bytes.
	maxLineAndNewline = 1 << 20
)

func say(what any) {
	if err := json.NewEncoder(os.Stdout).Encode(what); err != nil {
		os.Exit(3)
	}
}

func must(err error) {
	if err != nil {
		say(map[string]string{"error": err.Error()})
		os.Exit(1)
	}
}

// read takes one line with a new scanner of the default size, as the Go package does: bytes read beyond it are lost.
func read(conn net.Conn, wanted string, into any) error {
	scanner := bufio.NewScanner(conn)
	if !scanner.Scan() {
		if scanner.Err() != nil {
			return scanner.Err()
		}
		return errors.New("the peer hung up")
	}
	var m message
	if err := json.Unmarshal(scanner.Bytes(), &m); err != nil {
		return err
	}
	if m.Type != wanted {
		return fmt.Errorf("%s was due, %s came", wanted, m.Type)
	}
	if m.Payload == nil {
		return errors.New("there is no payload")
	}
	return json.Unmarshal(m.Payload, into)
}

func write(conn net.Conn, kind string, payload any) error {
	text, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	return json.NewEncoder(conn).Encode(message{Type: kind, Payload: text})
}

func swarmListen(path, genome string, exchanges int) {
	listener, err := net.Listen("unix", path)
	must(err)
	say(map[string]bool{"listening": true})
	for i := 0; i < exchanges; i++ {
		conn, err := listener.Accept()
		must(err)
		answer(conn, genome)
	}
	must(listener.Close())
}

func answer(conn net.Conn, genome string) {
	defer conn.Close()
	must(conn.SetDeadline(time.Now().Add(exchangeTime)))
	var hello handshake
	must(read(conn, "handshake", &hello))
	match := hello.GenomeHash == genome
	trust := 3
	if match {
		trust = 2
	}
	// The Go package sends the dialer's own id back here, and peers must live with that.
	ack := handshakeAck{hello.FromPeerID, "go-listener", genome, match, trust, time.Now().Unix()}
	must(write(conn, "handshake_ack", ack))
	if !match {
		say(map[string]any{"handshake": hello, "match": false})
		return
	}
	var payload syncPayload
	must(read(conn, "sync_payload", &payload))
	say(map[string]any{"handshake": hello, "match": true, "sync": payload})
}

func swarmDial(path, genome string, count int) {
	conn, err := net.DialTimeout("unix", path, 2*time.Second)
	must(err)
	defer conn.Close()
	must(conn.SetDeadline(time.Now().Add(exchangeTime)))
	must(write(conn, "handshake", handshake{selfID, "go-dialer", genome, time.Now().Unix(), "00ff"}))
	var ack handshakeAck
	must(read(conn, "handshake_ack", &ack))
	if !ack.Match {
		say(map[string]any{"ack": ack})
		return
	}
	payload := syncPayload{FromPeerID: selfID, GenomeHash: genome, SyncedAt: time.Now()}
	for i := 0; i < count; i++ {
		payload.Facts = append(payload.Facts, fact{
			ID: "go-" + strconv.Itoa(i), Content: "<from> & Go \u2028 ü 語", Domain: "d", IsGene: i == 0,
			Source: "go", CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 678912345, time.FixedZone("", 3600)),
		})
	}
	if count > 0 {
		payload.Incidents = []incident{{incidentCore: incidentCore{ID: "go-incident", Status: "open", Severity: "high"}, CreatedAt: time.Now()}}
	}
	must(write(conn, "sync_payload", payload))
	// The listener imports and closes.
	_, err = conn.Read(make([]byte, 1))
	say(map[string]any{"ack": ack, "end": fmt.Sprint(err)})
}

func socReceive(path string) {
	listener, err := net.Listen("unix", path)
	must(err)
	say(map[string]bool{"listening": true})
	conn, err := listener.Accept()
	must(err)
	eachMessage(conn, func(m socMessage, bytes int) {
		say(map[string]any{"message": m, "bytes": bytes})
	})
	say(map[string]bool{"end": true})
}

// eachMessage calls take with each message and the size of its line, until the client closes. A line that is not a message is
// reported.
func eachMessage(conn net.Conn, take func(m socMessage, bytes int)) {
	scanner := bufio.NewScanner(conn)
	scanner.Buffer(make([]byte, 0, 64*1024), maxLineAndNewline)
	for scanner.Scan() {
		var m socMessage
		if err := json.Unmarshal(scanner.Bytes(), &m); err != nil {
			say(map[string]string{"invalid": err.Error()})
			continue
		}
		take(m, len(scanner.Bytes()))
	}
	// A line that is too long ends the stream: bufio.ErrTooLong.
	must(scanner.Err())
}

func socSend(path string) {
	conn, err := net.Dial("unix", path)
	must(err)
	encoder := json.NewEncoder(conn)
	for _, m := range []socMessage{
		{"soc_event", "1700000000000000001", 1700000000, json.RawMessage(`{"text":"a<b>&c","n":1e400}`)},
		{"soc_incident", "", -5, json.RawMessage(`[1,"ü 語 \u2028"]`)},
		{"soc_heartbeat", "h\"1", 0, nil},
		{"custom", "x", 1, json.RawMessage(`null`)},
	} {
		must(encoder.Encode(m))
	}
	long, err := json.Marshal(string(make([]byte, 170_000)))
	must(err)
	must(encoder.Encode(socMessage{"soc_event", "long", 2, long}))
	_, err = conn.Write([]byte(`{"type":"soc_ack","ts":3}`))
	must(err)
	must(conn.Close())
}

type request struct {
	Request string          `json:"request"`
	Value   json.RawMessage `json:"value,omitempty"`
	Error   *remoteError    `json:"error,omitempty"`
}

type remoteError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// reply answers one request: "double" with a number, "fail" with an error. Types that it does not know are passed over.
func reply(encoder *json.Encoder, m socMessage) {
	answer := request{Request: m.ID}
	switch m.Type {
	case "double":
		var n int
		must(json.Unmarshal(m.Payload, &n))
		answer.Value = json.RawMessage(strconv.Itoa(2 * n))
	case "fail":
		answer.Error = &remoteError{"EGO", "not in Go"}
	default:
		say(map[string]any{"passedOver": m.Type})
		return
	}
	payload, err := json.Marshal(answer)
	must(err)
	must(encoder.Encode(socMessage{"soc_reply", "", time.Now().Unix(), payload}))
}

func socReply(path string) {
	listener, err := net.Listen("unix", path)
	must(err)
	say(map[string]bool{"listening": true})
	conn, err := listener.Accept()
	must(err)
	encoder := json.NewEncoder(conn)
	eachMessage(conn, func(m socMessage, _ int) { reply(encoder, m) })
	say(map[string]bool{"end": true})
}

// socAsk asks three times: a known type, one whose handler fails, and one that is not known, which its id marks as a request.
func socAsk(path string) {
	conn, err := net.Dial("unix", path)
	must(err)
	defer conn.Close()
	encoder := json.NewEncoder(conn)
	scanner := bufio.NewScanner(conn)
	for _, m := range []socMessage{
		{"double", "go-1", 1, json.RawMessage(`21`)},
		{"fail", "go-2", 1, nil},
		{"unknown", "req-3", 1, nil},
	} {
		must(encoder.Encode(m))
		if !scanner.Scan() {
			must(errors.New("the peer hung up"))
		}
		var answer socMessage
		must(json.Unmarshal(scanner.Bytes(), &answer))
		var r request
		must(json.Unmarshal(answer.Payload, &r))
		say(map[string]any{"type": answer.Type, "reply": r})
	}
}

func main() {
	mode, path, rest := os.Args[1], os.Args[2], os.Args[3:]
	number := func() int {
		n, err := strconv.Atoi(rest[1])
		must(err)
		return n
	}
	switch mode {
	case "swarm-listen":
		swarmListen(path, rest[0], number())
	case "swarm-dial":
		swarmDial(path, rest[0], number())
	case "soc-receive":
		socReceive(path)
	case "soc-send":
		socSend(path)
	case "soc-reply":
		socReply(path)
	case "soc-ask":
		socAsk(path)
	case "soc-stage":
		runStage(path)
	case "vectors":
		checkVectors(path)
	}
}
