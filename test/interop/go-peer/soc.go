// The three processes of the original, as its documentation describes them: their directory, their names of sockets, their
// payloads, and the calls that they make (DialWithRetry, Sender, Receiver). Mode `soc-stage`, with the name of one of them. It
// prints what it receives as lines of JSON.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	eventPipe    = "soc-ingest-to-correlate"
	incidentPipe = "soc-correlate-to-respond"
)

type socEvent struct {
	ID          string    `json:"id"`
	Source      string    `json:"source"`
	SensorID    string    `json:"sensor_id"`
	Severity    string    `json:"severity"`
	Category    string    `json:"category"`
	Description string    `json:"description"`
	Payload     string    `json:"payload"`
	Timestamp   time.Time `json:"timestamp"`
}

type socIncident struct {
	incidentCore
	CreatedAt time.Time `json:"created_at"`
}

func pathOf(name string) string {
	return filepath.Join(os.TempDir(), "sentinel-soc", name+".sock")
}

// listen removes what stands at the path, as the original does, and lets one user in by the mode alone.
func listen(name string) net.Listener {
	path := pathOf(name)
	must(os.MkdirAll(filepath.Dir(path), 0o700))
	_ = os.Remove(path)
	listener, err := net.Listen("unix", path)
	must(err)
	must(os.Chmod(path, 0o600))
	say(map[string]string{"listening": name})
	return listener
}

// dial waits 500 ms, 1 s, 1.5 s … between its tries.
func dial(name string) net.Conn {
	for try := 1; ; try++ {
		conn, err := net.Dial("unix", pathOf(name))
		if err == nil {
			return conn
		}
		if try == 20 {
			must(err)
		}
		time.Sleep(time.Duration(try) * 500 * time.Millisecond)
	}
}

func send(encoder *json.Encoder, conn net.Conn, kind string, payload any) {
	text, err := json.Marshal(payload)
	must(err)
	must(conn.SetWriteDeadline(time.Now().Add(exchangeTime)))
	now := time.Now()
	must(encoder.Encode(socMessage{kind, strconv.FormatInt(now.UnixNano(), 10), now.Unix(), text}))
}

// receive calls take with each message of one client that is not for the connection itself, until the client closes.
func receive(name string, take func(socMessage)) {
	conn, err := listen(name).Accept()
	must(err)
	eachMessage(conn, func(m socMessage, _ int) {
		if m.Type != "soc_heartbeat" && m.Type != "soc_ack" {
			take(m)
		}
	})
	say(map[string]bool{"closed": true})
}

func decode(message socMessage, kind string, into any) {
	err := json.Unmarshal(message.Payload, into)
	if err != nil || message.Type != kind {
		must(fmt.Errorf("not a %s of the original: %s (%s, %v)", kind, message.Payload, message.Type, err))
	}
}

// ingest sends the events of its standard input, one a line.
func ingest() {
	conn := dial(eventPipe)
	encoder := json.NewEncoder(conn)
	lines := bufio.NewScanner(os.Stdin)
	for sent := 1; lines.Scan(); sent++ {
		id := fmt.Sprintf("evt-%d", sent)
		event := socEvent{id, "sysmon", "sensor-7", "HIGH", "endpoint", "as it came", lines.Text(), time.Now()}
		send(encoder, conn, "soc_event", event)
	}
	must(conn.Close())
	say(map[string]bool{"closed": true})
}

// correlate makes an incident of each event that comes with a payload.
func correlate() {
	responder := dial(incidentPipe)
	encoder := json.NewEncoder(responder)
	count := 0
	receive(eventPipe, func(message socMessage) {
		var event socEvent
		decode(message, "soc_event", &event)
		say(event)
		count++
		id := fmt.Sprintf("inc-%d", count)
		title := "seen by the original: " + event.Payload
		incident := socIncident{incidentCore{id, "OPEN", "CRITICAL", title, "", 1, "any-event"}, time.Now()}
		send(encoder, responder, "soc_incident", incident)
	})
	must(responder.Close())
}

func respond() {
	receive(incidentPipe, func(message socMessage) {
		var incident socIncident
		decode(message, "soc_incident", &incident)
		say(incident)
	})
}

func runStage(name string) {
	stages := map[string]func(){"ingest": ingest, "correlate": correlate, "respond": respond}
	run := stages[name]
	if run == nil {
		must(fmt.Errorf("there is no stage %s: ingest, correlate, respond", name))
	}
	run()
}
