package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
	"tallygate/engine/token"
	"tallygate/providers"
	"tallygate/providers/sim"
)

// A stream ends within moments when whoever has asked for it may not ask any more,
// whether it is about to say something or not, and is told why. It is booked as if
// its caller had left; a stream of somebody else, and an answer in one piece, go on.
func TestStreamsEndWhenSwitchedOff(t *testing.T) {
	suspend := func(w *world) { c := *w.client; c.Status = tally.Suspended; w.client = &c }
	for _, tc := range []struct {
		name    string
		off     func(*world)
		visitor bool
		drain   tally.OnLeave
		slow    sim.Options
		code    string // that the caller is told, "" if it is told nothing
	}{
		{"a client", suspend, false, tally.LeaveCancel, sim.Options{PerChunk: time.Second}, tally.CodeClientSuspended},
		{"a client, while the stream is read on", suspend, false, tally.LeaveDrain, sim.Options{PerChunk: time.Second}, tally.CodeClientSuspended},
		{"a client, before the first event", suspend, false, tally.LeaveCancel, sim.Options{FirstByte: time.Minute}, tally.CodeClientSuspended},
		{"a client, in silence that is waited for", suspend, false, tally.LeaveDrain, sim.Options{PerChunk: time.Minute}, ""},
		{"a key", func(w *world) { k := *w.key; k.RevokedAt = w.clock(); w.key = &k }, false, tally.LeaveCancel, sim.Options{PerChunk: time.Second}, tally.CodeKeyRevoked},
		{"a gateway", func(w *world) { g := *w.gw; g.Enabled = false; w.gw = &g }, false, tally.LeaveCancel, sim.Options{PerChunk: time.Second}, tally.CodeGatewayDisabled},
		{"a gateway, for visitors", func(w *world) { g := *w.gw; g.Access = tally.AccessByKey; w.gw = &g }, true, tally.LeaveCancel, sim.Options{PerChunk: time.Second}, tally.CodeTokenRefused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.settings.OnLeave = tc.drain
				w.kinds[0].New = func(providers.Config) (providers.Provider, error) { return sim.Open(tc.slow), nil }
				credential := "Authorization: Bearer " + w.token
				if tc.visitor {
					credential = w.mint(token.Options{})
				}
				s := openStreet(t, w, 0)
				c := s.come("203.0.113.9")
				body := `{"model":"sim-small","stream":true,"messages":[{"role":"user","content":"tell me a long story"}]}`
				go fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: %d\r\n\r\n%s", credential, len(body), body)
				time.Sleep(1500 * time.Millisecond)
				tc.off(w)
				w.use()
				w.server.Changed()
				began := time.Now()
				var got []byte
				if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
					got, _ = io.ReadAll(resp.Body)
				}
				if took := time.Since(began); took > cutPatience {
					t.Errorf("it took %s", took)
				}
				if !strings.Contains(string(got), tc.code) || strings.Contains(string(got), "[DONE]") {
					t.Errorf("the caller read %q, want %q", got, tc.code)
				}
				time.Sleep(2 * leftPatience)
				if r := w.one(); r.Outcome != tally.Canceled || r.Tokens.Input == 0 && tc.slow.FirstByte == 0 {
					t.Errorf("record %+v", r)
				}
			})
		})
	}
}

func TestSwitchingOffLeavesOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.kinds[0].New = func(providers.Config) (providers.Provider, error) {
			return sim.Open(sim.Options{PerChunk: time.Second}), nil
		}
		visitor := w.mint(token.Options{})
		s := openStreet(t, w, 0)
		ends := make(chan string, 2)
		for _, as := range []struct{ credential, body string }{
			{visitor, `{"model":"sim-small","stream":true,"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`},
			{"Authorization: Bearer " + w.token, `{"model":"sim-small","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`},
		} {
			c := s.come("203.0.113.9")
			go fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: %d\r\n\r\n%s", as.credential, len(as.body), as.body)
			go func() {
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					ends <- err.Error()
					return
				}
				b, err := io.ReadAll(resp.Body)
				ends <- fmt.Sprint(string(b), err)
			}()
		}
		time.Sleep(1500 * time.Millisecond)
		c := *w.client
		c.Status = tally.Suspended
		w.client = &c
		w.use()
		w.server.Changed()
		for range 2 {
			if end := <-ends; !strings.HasSuffix(end, "<nil>") || !strings.Contains(end, "DONE") && !strings.Contains(end, "finish_reason") || strings.Contains(end, `"error"`) {
				t.Errorf("it ended in %q", end)
			}
		}
	})
}
