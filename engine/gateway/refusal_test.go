package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/sim"
	"tallygate/storage"
	"tallygate/storage/memory"
)

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// Every refusal says what it is in the terms that clients branch on, and leaves
// one record of a known caller and none of an unknown one.
func TestRefusals(t *testing.T) {
	hi := `{"model":"sim-small","messages":[]}`
	month := tally.Window{Unit: tally.Month}
	for _, tc := range []struct {
		name    string
		change  func(w *world)
		body    string
		headers []string
		status  int
		kind    string
		code    string
		says    string
		records int
	}{
		{name: "no key", headers: []string{"Authorization: "}, status: 401, kind: tally.TypeInvalid, code: "invalid_api_key", says: "No API key"},
		{name: "unknown key", headers: []string{"Authorization: Bearer sk-other"}, status: 401, kind: tally.TypeInvalid, code: "invalid_api_key"},
		{name: "suspended", change: func(w *world) { w.client.Status = tally.Suspended }, status: 403, kind: tally.TypePermission, code: "client_suspended", says: `"Hotel Aurora"`, records: 1},
		{name: "gateway off", change: func(w *world) { w.gw.Enabled = false }, status: 403, kind: tally.TypePermission, code: "gateway_disabled", records: 1},
		{name: "not JSON", body: `{"model":`, status: 400, kind: tally.TypeInvalid, code: "invalid_request", says: "ends too early", records: 1},
		{name: "two models", body: `{"model":"a","model":"b"}`, status: 400, kind: tally.TypeInvalid, code: "invalid_request", says: `"model" occurs twice`, records: 1},
		{name: "endless name", body: `{"model":"` + strings.Repeat("m", 300) + `"}`, status: 400, kind: tally.TypeInvalid, code: "invalid_request", says: "too long", records: 1},
		{name: "unknown model", body: `{"model":"sim-smal"}`, status: 404, kind: tally.TypeInvalid, code: "model_not_found", says: `Did you mean "sim-small"?`, records: 1},
		{name: "model not allowed", change: func(w *world) { w.client.Models = []string{"sim-embed"} }, status: 403, kind: tally.TypePermission, code: "model_not_allowed", records: 1},
		{name: "no price", change: func(w *world) { w.models[0].Prices = nil }, status: 403, kind: tally.TypePermission, code: "model_unpriced", says: "tallygate models update", records: 1},
		{name: "cost", change: func(w *world) { w.client.Limits = []tally.Limit{{Metric: tally.Cost, Window: month, Max: 1}} }, status: 429, kind: tally.TypeQuota, code: "cost_limit", says: "this request needs up to", records: 1},
		{name: "tokens", change: func(w *world) { w.key.Limits = []tally.Limit{{Metric: tally.TokensIO, Window: month, Max: 5}} }, status: 429, kind: tally.TypeQuota, code: "tokens_limit", says: `Key "bot" of client "Hotel Aurora"`, records: 1},
		{name: "sessions", change: func(w *world) { w.client.Limits = []tally.Limit{{Metric: tally.Sessions, Window: month, Max: 0}} }, status: 429, kind: tally.TypeQuota, code: "sessions_limit", records: 1},
		{name: "whose session", change: func(w *world) {
			w.client.Limits = []tally.Limit{{Metric: tally.Sessions, Window: month, Max: 9}}
			w.client.Session.Missing = tally.MissingRefuse
		}, status: 400, kind: tally.TypeInvalid, code: "session_missing", says: "X-Session-Id", records: 1},
		{name: "long origin", headers: []string{"Origin: https://" + strings.Repeat("x", 300)}, status: 400, kind: tally.TypeInvalid, code: "invalid_request", records: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			if tc.change != nil {
				tc.change(w)
			}
			w.open()
			body := tc.body
			if body == "" {
				body = hi
			}
			a := w.send("POST", "/v1/chat/completions", body, tc.headers...)
			kind, code, message := a.refusal(t)
			if a.status != tc.status || kind != tc.kind || code != tc.code || !strings.Contains(message, tc.says) {
				t.Errorf("got %d %s/%s %q, want %d %s/%s … %q", a.status, kind, code, message, tc.status, tc.kind, tc.code, tc.says)
			}
			if a.header.Get("X-Request-Id") == "" {
				t.Error("no x-request-id")
			}
			if final := a.header.Get("X-Should-Retry") == "false"; final != (tc.status < 500 && tc.status != 429 || kind == tally.TypeQuota) {
				t.Errorf("x-should-retry: false is %v", final)
			}
			list := w.records()
			if len(list) != tc.records {
				t.Fatalf("%d records, want %d: %+v", len(list), tc.records, list)
			}
			if tc.records == 1 && (!list[0].Outcome.Refused() || list[0].Code != code || list[0].Status != tc.status || string(list[0].ID) != a.header.Get("X-Request-Id")) {
				t.Errorf("record %+v", list[0])
			}
			if unknown := w.server.Unknown(); unknown != int64(1-tc.records) {
				t.Errorf("%d unknown credentials", unknown)
			}
		})
	}
}

// Buffers are used again; what one caller asked must not show in another's
// record.
func TestARefusalDoesNotTellOfTheRequestBefore(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.chat("")
	w.send("POST", "/v1/chat/completions", "nonsense")
	if rec := w.records()[1]; rec.Model != "" || rec.Code != tally.CodeBadRequest {
		t.Errorf("record %+v", rec)
	}
}

func TestOddPathsAndMethods(t *testing.T) {
	w := newWorld(t).open()
	for _, path := range []string{"/v1/chat/completions/", "/chat/completions", "//chat//completions/", "/v1/v1/chat/completions", "/v1//v1/v1/chat/completions/"} {
		if a := w.send("POST", path, `{"model":"sim-small","messages":[{"role":"user","content":"hi"}]}`); a.status != 200 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	for _, path := range []string{"/models", "/v1/models/", "/v1/v1/models/sim-small", "/models/sim-small/", "/usage", "/health/"} {
		if a := w.send("GET", path, ""); a.status != 200 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	const page = "Origin: https://elsewhere.example"
	pre := w.send("OPTIONS", "/v1/chat", "", page, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization")
	if pre.status != 204 || pre.header.Get("Access-Control-Allow-Origin") != "*" || pre.header.Get("Access-Control-Allow-Methods") != "POST, OPTIONS" || pre.header.Get("Access-Control-Allow-Headers") != "authorization" {
		t.Errorf("a preflight to nowhere: %d %v", pre.status, pre.header)
	}
	a := w.send("POST", "/v1/chat", "{}", page)
	if a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("a page cannot read that there is nothing: %v", a.header)
	}
	if _, code, message := a.refusal(t); a.status != 404 || code != tally.CodeUnknownPath || !strings.Contains(message, "/v1/chat/completions") {
		t.Errorf("%d %s", a.status, a.body)
	}
	a = w.send("GET", "/v1/chat/completions", "")
	if _, code, _ := a.refusal(t); a.status != 405 || code != tally.CodeMethod || a.header.Get("Allow") != "POST" {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if a = w.send("OPTIONS", "/v1/models", ""); a.status != 204 || a.header.Get("Allow") == "" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestLargeBodies(t *testing.T) {
	w := newWorld(t).open()
	for name, body := range map[string]io.Reader{
		"announced": strings.NewReader(strings.Repeat("x", MaxBody+1)),
		"chunked":   io.MultiReader(strings.NewReader(`{"a":"`), strings.NewReader(strings.Repeat("x", MaxBody))),
	} {
		r, _ := http.NewRequest("POST", w.http.URL+"/v1/chat/completions", body)
		r.Header.Set("Authorization", "Bearer "+w.token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: status %d", name, resp.StatusCode)
		}
	}
}

// A connection that announces much and sends little costs little memory, and a
// body that breaks off is nobody's request.
func TestBrokenBody(t *testing.T) {
	w := newWorld(t).open()
	c, err := net.Dial("tcp", w.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 60000000\r\n\r\n{\"model\":", w.token)
	c.(*net.TCPConn).CloseWrite()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 400 {
		t.Fatalf("%v %v", resp, err)
	}
	if rec := w.one(); rec.Outcome != tally.OutcomeDenied {
		t.Errorf("record %+v", rec)
	}
}

// 64 callers at once: the limit is reached exactly, whatever each of them was
// told.
func TestExactUnderConcurrency(t *testing.T) {
	w := newWorld(t)
	month := tally.Window{Unit: tally.Month}
	w.client.Limits = []tally.Limit{{Metric: tally.Requests, Window: month, Max: 50}, {Metric: tally.TokensIO, Window: month, Max: 1e9}}
	w.gw.Limits = []tally.Limit{{Metric: tally.Cost, Window: month, Max: int64(1000 * tally.Dollar)}}
	w.open()
	var ok, limited atomic.Int64
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			for range 2 {
				switch a := w.chat(""); a.status {
				case 200:
					ok.Add(1)
				case 429:
					limited.Add(1)
				default:
					t.Errorf("status %d: %s", a.status, a.body)
				}
			}
		})
	}
	callers.Wait()
	if ok.Load() != 50 || limited.Load() != 78 {
		t.Errorf("%d answered and %d refused, want 50 and 78", ok.Load(), limited.Load())
	}
	var answered, refused int64
	for _, r := range w.records() {
		if r.Outcome.Refused() {
			refused += r.Count
		} else {
			answered++
		}
	}
	if answered != 50 || refused != 78 {
		t.Errorf("recorded %d answered and %d refused", answered, refused)
	}
}

// panicky is a provider with a defect.
type panicky struct{ providers.Provider }

func (panicky) Do(context.Context, providers.Call) (*providers.Reply, error) { panic("a defect") }
func (panicky) Close() error                                                 { return nil }

func TestADefectIsChargedAtItsHoldAndStopsNothing(t *testing.T) {
	w := newWorld(t)
	w.kinds[0].New = func(providers.Config) (providers.Provider, error) { return panicky{}, nil }
	w.provider.MaxInFlight = 1
	w.open()
	for range 2 { // the place in flight is given back
		a := w.chat(`,"max_tokens":10`)
		if _, code, _ := a.refusal(t); a.status != 500 || code != tally.CodeInternal {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	rec := w.records()[1]
	if rec.Outcome != tally.Lost || rec.Basis != tally.Held || rec.Tokens.Output != 10 || rec.Cost < 20_000 {
		t.Errorf("record %+v", rec)
	}
	if !strings.Contains(w.log.String(), "a defect") {
		t.Error("the log does not tell")
	}
}

func TestDrain(t *testing.T) {
	w := newWorld(t)
	block, asked := make(chan struct{}), make(chan struct{}, 1)
	w.kinds[0].New = func(providers.Config) (providers.Provider, error) { return blocking{until: block, asked: asked}, nil }
	w.open()
	answered := make(chan int)
	go func() { answered <- w.chat("").status }()
	<-asked
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := w.server.Drain(short); err == nil {
		t.Error("drained with a request under way")
	}
	a := w.chat("")
	if _, code, _ := a.refusal(t); a.status != 503 || code != tally.CodeStopping || a.header.Get("Retry-After") == "" {
		t.Errorf("while draining: %d %s", a.status, a.body)
	}
	if a := w.send("GET", "/readyz", ""); a.status != 503 {
		t.Errorf("ready while draining: %d", a.status)
	}
	close(block)
	if status := <-answered; status != 503 {
		t.Errorf("the request under way got %d", status)
	}
	if err := w.server.Drain(context.Background()); err != nil {
		t.Error(err)
	}
}

// blocking is a provider that fails once it is let. It tells when it is asked, if
// somebody wants to know.
type blocking struct{ until, asked chan struct{} }

func (b blocking) Do(ctx context.Context, _ providers.Call) (*providers.Reply, error) {
	select {
	case b.asked <- struct{}{}:
	default:
	}
	select {
	case <-b.until:
		return nil, &providers.UpstreamError{Fault: providers.ServerError, Status: 500, Free: true}
	case <-ctx.Done():
		return nil, &providers.UpstreamError{Fault: providers.Gone, Err: ctx.Err()}
	}
}
func (blocking) Models(context.Context) ([]providers.ModelInfo, error) { return nil, nil }
func (blocking) Close() error                                          { return nil }

// telling is a provider that tells when it is asked.
type telling struct {
	providers.Provider
	asked chan struct{}
}

func (p telling) Do(ctx context.Context, c providers.Call) (*providers.Reply, error) {
	p.asked <- struct{}{}
	return p.Provider.Do(ctx, c)
}

// leaveBehind sends a request and leaves once its upstream is asked.
func (w *world) leaveBehind(body string, asked chan struct{}) {
	ctx, leave := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, "POST", w.http.URL+"/v1/chat/completions", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+w.token)
	done := make(chan struct{})
	go func() {
		defer close(done)
		http.DefaultClient.Do(r)
	}()
	<-asked
	leave()
	<-done
	for w.server.LeftBehind() == 0 && w.server.InFlight() > 0 {
		time.Sleep(time.Millisecond)
	}
}

// An answer in one piece is read to its end, whoever has left: it is paid for. If
// the gateway stops before, it counts with all that was held.
func TestACallerThatLeaves(t *testing.T) {
	w := newWorld(t)
	block, asked := make(chan struct{}), make(chan struct{}, 1)
	w.kinds[0].New = func(providers.Config) (providers.Provider, error) { return blocking{until: block, asked: asked}, nil }
	w.client.MaxInFlight = 1
	none := time.Duration(0)
	w.settings.HoldWait = &none
	w.open()
	const body = `{"model":"sim-small","max_tokens":50,"messages":[{"role":"user","content":"0123456789"}]}`
	w.leaveBehind(body, asked)
	if w.server.LeftBehind() != 1 || w.server.InFlight() != 1 {
		t.Errorf("%d left behind, %d in flight", w.server.LeftBehind(), w.server.InFlight())
	}
	if a := w.send("POST", "/v1/chat/completions", body); a.status != 429 {
		t.Errorf("the place of one that is left behind is given away: %d %s", a.status, a.body)
	}
	close(block)
	for w.server.InFlight() > 0 {
		time.Sleep(time.Millisecond)
	}
	rec := w.records()[1]
	if rec.Outcome != tally.Canceled || rec.Status != tally.StatusClientClosed || rec.Basis != "" || rec.Cost != 0 || w.server.LeftBehind() != 0 {
		t.Errorf("record %+v", rec) // it failed with a status, which costs nothing
	}

	w = newWorld(t)
	w.kinds[0].New = func(providers.Config) (providers.Provider, error) { return blocking{asked: asked}, nil }
	w.open()
	w.leaveBehind(body, asked)
	short, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := w.server.Drain(short); err == nil {
		t.Error("drained with a request under way")
	}
	rec = w.one()
	if rec.Outcome != tally.Canceled || rec.Basis != tally.Held || rec.Tokens.Output != 50 || rec.Tokens.Input < 60 || rec.Cost == 0 {
		t.Errorf("record %+v", rec)
	}
}

// Requests that a stop cuts off are told so in their own dialect, before and within an
// answer, and are the gateway's failures in the books.
func TestStopIsTold(t *testing.T) {
	for name, tc := range map[string]struct {
		path, body string
		first      time.Duration // before the upstream says anything
		told       string
	}{
		"a chat":        {"/v1/chat/completions", `{"model":"sim-small","stream":true,"messages":[{"role":"user","content":"Hello"}]}`, 0, `"code":"shutting_down"`},
		"responses":     {"/v1/responses", `{"model":"sim-small","stream":true,"input":"Hello"}`, 0, `response.failed`},
		"messages":      {"/v1/messages", `{"model":"sim-small","stream":true,"max_tokens":50,"messages":[{"role":"user","content":"Hello"}]}`, 0, "event: error"},
		"an answer":     {"/v1/chat/completions", `{"model":"sim-small","messages":[{"role":"user","content":"Hello"}]}`, time.Minute, `"code":"shutting_down"`},
		"not yet begun": {"/v1/messages", `{"model":"sim-small","max_tokens":50,"messages":[{"role":"user","content":"Hello"}]}`, time.Minute, `"type":"error"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			asked := make(chan struct{}, 1)
			w.kinds[0].New = func(providers.Config) (providers.Provider, error) {
				return telling{sim.Open(sim.Options{FirstByte: tc.first, PerChunk: 20 * time.Millisecond}), asked}, nil
			}
			w.open()
			answered := make(chan answered, 1)
			go func() {
				defer close(answered)
				answered <- w.send("POST", tc.path, tc.body)
			}()
			<-asked
			short, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer cancel()
			if err := w.server.Drain(short); err == nil {
				t.Error("drained with a request under way")
			}
			a, rec := <-answered, w.one()
			if !strings.Contains(a.body, tc.told) || rec.Outcome != tally.OutcomeFailed || rec.Code != tally.CodeStopping {
				t.Errorf("told %d %s; record %+v", a.status, a.body, rec)
			}
		})
	}
}

// unwilling is a store that cannot write the ends of requests.
type unwilling struct{ storage.Store }

func (unwilling) Settle(context.Context, tally.Settlement) error {
	return tally.Errorf(tally.Unavailable, "the disk says no")
}

// An answer that cannot be recorded is kept back: whoever sees the end of one finds
// it in the books.
func TestUnwrittenAnswers(t *testing.T) {
	for _, stream := range []bool{false, true} {
		w := newWorld(t)
		store := memory.New(nil)
		w.store = unwilling{store}
		w.open()
		a := w.chat(fmt.Sprintf(`,"stream":%t`, stream))
		if !strings.Contains(a.body, tally.CodeStore) || strings.Contains(a.body, "[DONE]") || !stream && (a.status != 503 || a.header.Get("X-Should-Retry") != "false") {
			t.Errorf("stream %t: %d %s", stream, a.status, a.body)
		}
		if n, err := store.Expire(context.Background(), time.Now().Add(time.Hour), 10); n != 1 || err != nil {
			t.Errorf("%d holds, %v: want the one that is paid", n, err)
		}
	}
}
