package engine

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// upstream is an OpenAI-shaped server that does as it is told.
type upstream struct {
	*httptest.Server
	open atomic.Int64 // connections

	mu     sync.Mutex // guards what follows
	models []string   // as JSON objects
	status int        // of every answer; 0 means 200
	delay  chan struct{}
	auth   []string // the Authorization of every request
	bodies []string
}

func newUpstream(t testing.TB, models ...string) *upstream {
	u := &upstream{models: models}
	u.Server = httptest.NewUnstartedServer(http.HandlerFunc(u.serve))
	u.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			u.open.Add(1)
		case http.StateClosed:
			u.open.Add(-1)
		}
	}
	u.Start()
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) base() string { return u.URL + "/v1" }

func (u *upstream) set(change func(*upstream)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change(u)
}

func (u *upstream) seen() (auth, bodies []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.auth...), append([]string(nil), u.bodies...)
}

func (u *upstream) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	u.mu.Lock()
	u.auth = append(u.auth, r.Header.Get("Authorization"))
	u.bodies = append(u.bodies, string(body))
	status, delay, models := u.status, u.delay, u.models
	u.mu.Unlock()
	if delay != nil {
		select {
		case <-delay:
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if status != 0 {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":{"message":"You sent %s"}}`, r.Header.Get("Authorization"))
		return
	}
	if strings.HasSuffix(r.URL.Path, "/models") {
		fmt.Fprintf(w, `{"object":"list","data":[%s]}`, strings.Join(models, ","))
		return
	}
	fmt.Fprint(w, `{"id":"x","object":"chat.completion","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hello from upstream"}}],"usage":{"prompt_tokens":1000,"completion_tokens":10,"total_tokens":1010}}`)
}
