package link_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"
)

// Kinds of HTTP/2 frames.
const (
	frameSettings = 4
	framePing     = 6
	frameGoAway   = 7
)

// mustSendFrame writes a frame that belongs to no stream.
func mustSendFrame(t *testing.T, w io.Writer, kind byte, payload string) {
	t.Helper()
	frame := make([]byte, 9, 9+len(payload))
	binary.BigEndian.PutUint32(frame, uint32(len(payload))<<8|uint32(kind))
	if _, err := w.Write(append(frame, payload...)); err != nil {
		t.Fatalf("send a frame of kind %d: %v", kind, err)
	}
}

// mustReadFrame reads the next frame's kind and payload.
func mustReadFrame(t *testing.T, r io.Reader) (kind byte, payload []byte) {
	t.Helper()
	head := make([]byte, 9)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatalf("the server sends no more: %v", err)
	}
	payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(r, payload); err != nil {
		t.Fatal(err)
	}
	return head[3], payload
}

// Fabric's peer command pings an ordering node every 10 seconds while it waits for
// endorsements. A server that finds this too often ends the connection at the fourth
// ping (ENHANCE_YOUR_CALM), and the command loses its transaction.
func TestPatientWithPings(t *testing.T) {
	if testing.Short() {
		t.Skip("takes four seconds")
	}
	t.Parallel()
	w := MustWorld(t)
	addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", func(grpc.ServiceRegistrar) {})
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	mustSendFrame(t, conn, frameSettings, "")
	tick := time.NewTicker(1050 * time.Millisecond)
	defer tick.Stop()
	for ping := range 4 {
		<-tick.C
		mustSendFrame(t, conn, framePing, "are you?")
		for answered := false; !answered; {
			kind, payload := mustReadFrame(t, conn)
			if kind == frameGoAway {
				t.Fatalf("ping %d: the server ends the connection: %s", ping, payload[8:])
			}
			answered = kind == framePing && string(payload) == "are you?"
		}
	}
}
