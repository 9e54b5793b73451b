package control

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"tallygate/engine/tally"
)

// quietServer has nothing to tell.
func quietServer() *Server {
	return NewServer(func(ctx context.Context, _ uint64) iter.Seq[Event] { return func(func(Event) bool) { <-ctx.Done() } })
}

// tokens are who may come in, in a test.
type tokens struct {
	mu      sync.Mutex
	may     map[string]Need
	changed context.Context
	tell    context.CancelFunc
}

func (k *tokens) set(may map[string]Need) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.may = may
	if k.tell != nil {
		k.tell()
	}
	k.changed, k.tell = context.WithCancel(context.Background())
}

func (k *tokens) who(token string) (string, Need, context.Context, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	may, ok := k.may[token]
	return "of " + token, may, k.changed, ok
}

// Over a network a caller gets what its token allows, and nothing without one; a stream ends
// with its token; the audit log is told who it was.
func TestServeAdmin(t *testing.T) {
	s := quietServer()
	var actor string
	Handle(s, Op[None, None]{"thing.change", Write, "change a thing"}, func(ctx context.Context, _ None) (None, error) {
		actor, _, _ = Acting(ctx)
		return None{}, nil
	})
	Handle(s, Op[None, None]{"thing.see", Read, "see a thing"}, func(context.Context, None) (None, error) { return None{}, nil })
	Handle(s, Op[None, None]{"thing.end", Write, "end a thing"}, func(context.Context, None) (None, error) { return None{}, nil })
	var k tokens
	k.set(map[string]Need{"own": Write, "look": Read})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.ServeAdmin(ctx, ln, k.who, "thing.end") }()
	ask := func(method, path, token string, header ...string) *http.Response {
		t.Helper()
		r, _ := http.NewRequest(method, "http://"+ln.Addr().String()+path, strings.NewReader("{}"))
		r.Host = "gate.example"
		r.Header.Set("Authorization", "Bearer "+token)
		for _, h := range header {
			r.Header.Set(h, "https://evil.example")
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	for _, tc := range []struct {
		op, token string
		want      int
	}{
		{"thing.see", "look", 200}, {"thing.see", "own", 200}, {"thing.change", "own", 200}, {"thing.change", "look", 403},
		{"thing.see", "", 401}, {"thing.see", "other", 401}, {"thing.end", "own", 403}, {"none", "", 401},
	} {
		if resp := ask("POST", Prefix+tc.op, tc.token); resp.StatusCode != tc.want {
			t.Errorf("%s by %q: %d, want %d", tc.op, tc.token, resp.StatusCode, tc.want)
		}
	}
	if actor != "admin of own" {
		t.Errorf("who changed it is %q", actor)
	}
	if resp := ask("POST", Prefix+"thing.see", "own", "Origin"); resp.StatusCode != 403 {
		t.Errorf("a page is told %d", resp.StatusCode)
	}
	if resp := ask("GET", "/openapi.json", ""); resp.StatusCode != 401 {
		t.Errorf("who has no token is told %d of what there is", resp.StatusCode)
	}
	resp := ask("GET", Prefix+"events", "look")
	if resp.StatusCode != 200 {
		t.Fatalf("events: %d", resp.StatusCode)
	}
	ended := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, bufio.NewReader(resp.Body)); ended <- err }()
	k.set(map[string]Need{"own": Write, "look": Read})
	k.set(map[string]Need{"own": Write})
	<-ended
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// Whatever a description refers to is there, each operation is, and what an operation needs.
func TestOpenAPI(t *testing.T) {
	s := quietServer()
	type thing struct {
		Name   string        `json:"name" help:"what it is called"`
		Limits []Rows        `json:"limits,omitempty"`
		Role   tally.Role    `json:"role"`
		More   *thing        `json:"more,omitempty"`
		Cost   tally.NanoUSD `json:"cost_nano_usd"`
	}
	Handle(s, Op[thing, []thing]{"things.create", Write, "make a thing"}, func(context.Context, thing) ([]thing, error) { return nil, nil })
	b, err := json.Marshal(s.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		OpenAPI    string
		Paths      map[string]map[string]map[string]any
		Components struct {
			Schemas map[string]struct {
				Required   []string
				Properties map[string]struct {
					Type, Description string
					Enum              []string
				}
			}
		}
	}
	if err := json.Unmarshal(b, &api); err != nil || api.OpenAPI != "3.1.0" {
		t.Fatalf("%s, %v", api.OpenAPI, err)
	}
	for _, op := range s.Operations() {
		if is := api.Paths[Prefix+op.Name]["post"]; is["operationId"] != op.Name || is["x-tallygate-need"] != string(op.Need) {
			t.Errorf("%s: %v", op.Name, is)
		}
	}
	is := api.Components.Schemas["thing"]
	if !slices.Equal(is.Required, []string{"name", "role", "cost_nano_usd"}) || is.Properties["name"].Description != "what it is called" ||
		!slices.Equal(is.Properties["role"].Enum, tally.Role("").Words()) || is.Properties["cost_nano_usd"].Type != "integer" {
		t.Errorf("%+v", is)
	}
	for _, ref := range strings.Split(string(b), `"$ref":"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(ref, `"`)
		if _, ok := api.Components.Schemas[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
}
