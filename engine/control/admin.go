package control

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// Who tells whose a bearer token is and what that may do, and gives a context that ends when
// either may have changed.
type Who func(token string) (name string, may Need, until context.Context, ok bool)

// failuresEvery is how often the log tells of those who came without a token that is good.
const failuresEvery = time.Minute

// ServeAdmin is [Server.Serve] for callers who come over a network, each with a bearer token.
// A caller whose token is none is told nothing. What goes on by a token that is good no more
// ends.
func (s *Server) ServeAdmin(ctx context.Context, ln net.Listener, who Who, without ...string) error {
	return s.serveWith(ctx, ln, &desk{Server: s, who: who, without: without, stop: ctx.Done()})
}

// desk is where callers show their tokens.
type desk struct {
	*Server
	who     Who
	without []string
	stop    <-chan struct{}

	mu     sync.Mutex // guards the fields that follow
	failed int
	told   time.Time
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	name, may, until, ok := d.who(token)
	if !ok {
		d.refuse(w, r)
		return
	}
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), actingKey{}, acting{peer: "admin " + name}))
	defer cancel()
	go func() { // a stream may outlive its token
		for {
			select {
			case <-ctx.Done():
				return
			case <-until.Done():
			}
			is, now, next, ok := d.who(token)
			if !ok || is != name || now != may {
				cancel()
				return
			}
			until = next
		}
	}()
	r = r.WithContext(ctx)
	if r.URL.Path == "/openapi.json" && r.Method == http.MethodGet {
		writeJSON(w, http.StatusOK, d.OpenAPI())
		return
	}
	plane{Server: d.Server, have: may, without: d.without, stop: d.stop, anywhere: true}.ServeHTTP(w, r)
}

func (d *desk) refuse(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.failed++
	if now := time.Now(); now.Sub(d.told) >= failuresEvery && d.Logger != nil {
		d.Logger.Warn("nobody was let in to the control plane", "times", d.failed, "last_from", r.RemoteAddr)
		d.failed, d.told = 0, now
	}
	d.mu.Unlock()
	w.Header().Set("WWW-Authenticate", `Bearer realm="tallygate"`)
	writeJSON(w, http.StatusUnauthorized, tally.Errorf(tally.Denied, "no token that is good came with the request").
		WithHint("the owner makes one: tallygate admin add NAME --role viewer; send it as: Authorization: Bearer TOKEN"))
}
