package control

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var who = Op[None, Named]{"things.who", Write, "who calls"}

// An operation is told whose call it is: the user by the connection, the program by
// itself, and no more of it than people can read.
func TestActing(t *testing.T) {
	p := newPlant(t, Write)
	socket := filepath.Join(socketDir(t), socketName)
	ln := mustListen(t, socket)
	server := NewServer(p.events)
	Handle(server, who, func(ctx context.Context, _ None) (Named, error) {
		actor, op, _ := Acting(ctx)
		return Named{actor + "|" + op}, nil
	})
	inside, dial := Memory()
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 2)
	go func() { served <- server.Serve(ctx, ln, Write) }()
	go func() { served <- server.Serve(ctx, inside, Write) }()
	uid := "uid " + strconv.Itoa(os.Geteuid())
	for _, d := range []Dialer{DialUnix(socket), dial} {
		for program, want := range map[string]string{
			"": uid, "interface": uid + ", interface", "ünï": uid + ", ünï", strings.Repeat("x", 99): uid + ", " + strings.Repeat("x", 40),
		} {
			c := NewClient(d)
			c.Program = program
			if got, err := who.Do(ctx, c, None{}); err != nil || got.Name != want+"|things.who" {
				t.Errorf("%q: %q, %v; want %q", program, got.Name, err, want)
			}
			c.Close()
		}
	}
	stop()
	for range 2 {
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
	if actor, op, _ := Acting(context.Background()); actor != "engine" || op != "" {
		t.Errorf("without a call it is %q, %q", actor, op)
	}
}
