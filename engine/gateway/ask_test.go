package gateway

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/sim"
	"tallygate/storage"
)

// faulty is an upstream that fails as a test says, and else answers as the pretend one does.
// It keeps its own book.
type faulty struct {
	providers.Provider
	fail func(c providers.Call) error // nil: it answers

	mu    sync.Mutex // guards the fields that follow
	asked []int      // with which key, in order
	sold  tally.Tokens
}

func (m *faulty) Do(ctx context.Context, c providers.Call) (*providers.Reply, error) {
	m.mu.Lock()
	m.asked = append(m.asked, c.Key)
	err := m.fail(c)
	m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	reply, err := m.Provider.Do(ctx, c)
	if err == nil {
		reply.Body = &sale{Body: reply.Body, of: m}
	}
	return reply, err
}

// sale is an answer that is booked when it has come to its end.
type sale struct {
	providers.Body
	of   *faulty
	over bool
}

func (s *sale) Close() error {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if !s.over {
		s.over, s.of.sold = true, s.of.sold.Add(s.Report().Tokens)
	}
	return s.Body.Close()
}

// take returns with which keys it was asked since the last time.
func (m *faulty) take() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.asked
	m.asked = nil
	return out
}

// mocks makes a world with so many providers of model sim-small, up1, up2 and so on, that
// answer.
func mocks(t *testing.T, n int) (*world, []*faulty) {
	w := newWorld(t)
	all := make([]*faulty, n)
	first, model := *w.provider, *w.models[0]
	w.models = nil
	for i := range all {
		all[i] = &faulty{Provider: sim.Open(sim.Options{}), fail: func(providers.Call) error { return nil }}
		p, m := first, model
		p.ID, p.Name = tally.ID(fmt.Sprintf("pr_%d", i+1)), fmt.Sprintf("up%d", i+1)
		m.ID, m.Provider = tally.ID(fmt.Sprintf("mo_%d", i+1)), p.ID
		p.CreatedAt = p.CreatedAt.Add(time.Duration(i) * time.Second)
		w.models = append(w.models, &m)
		if i == 0 {
			w.provider = &p
		} else {
			w.more = append(w.more, &p)
		}
	}
	w.kinds[0].New = func(cfg providers.Config) (providers.Provider, error) {
		return all[cfg.Provider.Name[2]-'1'], nil
	}
	w.keys = map[tally.ID][]string{}
	return w, all
}

func always(err *providers.UpstreamError) func(providers.Call) error {
	return func(providers.Call) error { return err }
}

func refusedKey() *providers.UpstreamError {
	return &providers.UpstreamError{Fault: providers.BadKey, Status: 401, Free: true}
}

func overloaded(after time.Duration) *providers.UpstreamError {
	return &providers.UpstreamError{Fault: providers.Busy, Status: 429, RetryAfter: after, Free: true}
}

// A key that fails is set aside with its cause, and others are used in its place; callers are
// spread over those that are well, and each stays with its own.
func TestKeysInTurn(t *testing.T) {
	w, up := mocks(t, 1)
	w.keys["pr_1"] = []string{"one", "two", "three"}
	up[0].fail = func(c providers.Call) error {
		if c.Key == 1 {
			return refusedKey()
		}
		return nil
	}
	w.open()
	of := map[string]int{}
	for round := range 3 {
		for i := range 20 {
			session := fmt.Sprint("s", i)
			if a := w.chat("", "X-Session-Id: "+session); a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			asked := up[0].take()
			key := asked[len(asked)-1]
			if before, known := of[session]; known && before != key {
				t.Errorf("session %s went from key %d to %d", session, before, key)
			}
			if of[session] = key; round > 0 && len(asked) > 1 {
				t.Errorf("asked with %v", asked)
			}
		}
	}
	used := map[int]int{}
	for _, key := range of {
		used[key]++
	}
	if used[0] == 0 || used[2] == 0 || used[1] != 0 {
		t.Errorf("keys of 20 sessions: %v", used)
	}
	tried := 0
	for _, r := range w.records() {
		for _, a := range r.Tries {
			if a.Cause != "" {
				if tried++; a.Key != 2 {
					t.Errorf("attempt %+v", a)
				}
			}
		}
	}
	h := w.router.Health("pr_1", time.Now())
	if tried != 1 || len(h) != 1 || h[0].Key != 2 || h[0].Cause != providers.BadKey || h[0].Until.IsZero() {
		t.Errorf("%d failed; %+v", tried, h)
	}
}

// A request that everybody has turned away for a moment is tried again, for as long as the
// owner allows; it is one request, charged once.
func TestTriedAgain(t *testing.T) {
	w, up := mocks(t, 2)
	w.settings.RetryFor = new(5 * time.Second)
	left := 3
	up[0].fail = func(providers.Call) error {
		if left--; left >= 0 {
			return overloaded(0)
		}
		return nil
	}
	up[1].fail = always(&providers.UpstreamError{Fault: providers.OutOfQuota, Status: 402, Free: true})
	w.open()
	if a := w.chat(""); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if r := w.one(); r.Attempts != 5 || r.Outcome != tally.OK || r.Tokens != up[0].sold || len(up[1].take()) != 1 {
		t.Errorf("%+v; sold %+v", r, up[0].sold)
	}
	// One that asks for more time than there is is not waited for.
	left = 9
	up[0].fail = always(overloaded(time.Minute))
	began := time.Now()
	if a := w.chat(""); a.status != 502 || a.header.Get("Retry-After") == "" || time.Since(began) > 3*time.Second {
		t.Errorf("%d %v after %v", a.status, a.header, time.Since(began))
	}
}

// What may have been charged is not asked for again at the same upstream.
func TestPaidIsNotTriedAgain(t *testing.T) {
	w, up := mocks(t, 1)
	w.settings.RetryFor = new(time.Minute)
	up[0].fail = always(&providers.UpstreamError{Fault: providers.ServerError, Status: 500})
	w.open()
	if a := w.chat(""); a.status != 502 || len(up[0].take()) != 1 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// A model that is at a cap of its provider is passed over; once all are, the caller is told
// which cap, and until when, and nothing is charged.
func TestCaps(t *testing.T) {
	w, up := mocks(t, 2)
	day := tally.Window{Unit: tally.Day}
	w.models[0].Caps = []tally.Limit{{Metric: tally.Requests, Window: day, Max: 2}}
	w.models[1].Caps = []tally.Limit{{Metric: tally.Requests, Window: day, Max: 1}}
	w.open()
	for i, want := range []string{"up1", "up1", "up2"} {
		if a := w.chat(""); a.status != 200 || a.header.Get("X-Tallygate-Provider") != want {
			t.Errorf("request %d: %d by %s", i, a.status, a.header.Get("X-Tallygate-Provider"))
		}
	}
	a := w.chat("")
	kind, code, message := a.refusal(t)
	if a.status != 429 || kind != tally.TypeRate || code != tally.CodeProviderCap || a.header.Get("Retry-After") == "" || !strings.Contains(message, "of 2 requests are used") || !strings.Contains(message, "00:00 (UTC)") || !strings.Contains(message, "up1, up2") {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	list := w.records()
	if r := list[3]; r.Attempts != 0 || r.Cost != 0 || !r.Uncounted || r.Code != tally.CodeProviderCap {
		t.Errorf("%+v", r)
	}
	up[0].take()
}

// Places at a model are counted by the ledger, too: two at a time is two at a time.
func TestCapInFlight(t *testing.T) {
	w, up := mocks(t, 1)
	w.models[0].MaxInFlight = 2
	inside, go_ := make(chan bool, 9), make(chan bool)
	up[0].fail = func(providers.Call) error { return nil }
	slow := up[0].Provider
	up[0].Provider = waits{slow, inside, go_}
	w.open()
	got := make(chan answered, 2)
	for range 2 {
		go func() { got <- w.chat("") }()
		<-inside
	}
	a := w.chat("")
	if _, code, message := a.refusal(t); a.status != 429 || code != tally.CodeProviderCap || !strings.Contains(message, "2 requests at the same time") {
		t.Errorf("%d %s", a.status, a.body)
	}
	close(go_)
	for range 2 {
		if a := <-got; a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if a := w.chat(""); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Where one provider fails and the other is well but full, a request waits for a place with
// that one, whichever stands first.
func TestFullIsWaitedForWhereOthersFail(t *testing.T) {
	for _, broken := range []int{0, 1} {
		for cause, err := range map[string]*providers.UpstreamError{"a wrong key": refusedKey(), "an error": {Fault: providers.ServerError, Status: 500, Free: true}} {
			w, up := mocks(t, 2)
			up[broken].fail = always(err)
			inside, may := make(chan bool, 9), make(chan bool)
			up[1-broken].Provider = waits{up[1-broken].Provider, inside, may}
			full := w.provider
			if broken == 0 {
				full = w.more[len(w.more)-1].(*tally.Provider)
			}
			full.MaxInFlight = 1
			w.open()
			got := make(chan answered, 5)
			for range 5 {
				go func() { got <- w.chat("") }()
			}
			<-inside
			for asked := 0; asked < 4; asked += len(up[broken].take()) { // the others have come, and it is full
				runtime.Gosched()
			}
			close(may)
			for range 5 {
				if a := <-got; a.status != 200 {
					t.Errorf("up%d fails by %s: %d %s", broken+1, cause, a.status, a.body)
				}
			}
		}
	}
}

// waits answers once it may.
type waits struct {
	providers.Provider
	inside chan<- bool
	may    <-chan bool
}

func (p waits) Do(ctx context.Context, c providers.Call) (*providers.Reply, error) {
	p.inside <- true
	<-p.may
	return p.Provider.Do(ctx, c)
}

// Once a budget runs low, the owner's other model answers, whatever the lists say: told in
// the head and in the record, and charged at its own price.
func TestSoftLanding(t *testing.T) {
	w, _ := mocks(t, 1)
	cheap := *w.models[0]
	cheap.ID, cheap.Name, cheap.Prices = "mo_cheap", sim.Large, []tally.Price{{Input: new(tally.NanoUSD), Output: new(tally.NanoUSD)}}
	w.models = append(w.models, &cheap)
	w.client.Models = []string{sim.Small}
	w.client.Limits = limit(tally.TokensIO, 1000)
	w.gw.Landing = tally.Landing{Below: 50, Model: sim.Large}
	w.open()
	landed := 0
	for range 40 {
		a := w.chat(`,"max_tokens":40`)
		if a.status != 200 {
			break
		}
		if told := a.header.Get("X-Tallygate-Soft-Landing"); told != "" {
			if landed++; told != sim.Small || a.header.Get("X-Tallygate-Model") != sim.Large || a.header.Get("X-Tallygate-Cost-Usd") != "0" {
				t.Errorf("%v", a.header)
			}
		} else if landed > 0 {
			t.Error("it has taken off again")
		}
	}
	if landed == 0 {
		t.Fatal("nothing has landed")
	}
	spent := int64(0)
	for _, r := range w.records() {
		switch {
		case r.Outcome != tally.OK:
		case spent > 500 && (r.Model != sim.Large || r.Asked != sim.Small || r.Cost != 0), spent <= 500 && (r.Model != sim.Small || r.Asked != ""):
			t.Errorf("after %d of 1000 tokens: %+v", spent, r)
		}
		spent += r.Tokens.Total()
	}
	w.client.Landing = tally.Landing{Below: 1, Model: sim.Large} // the client's own rule counts
	w.use()
	if a := w.chat(`,"max_tokens":40`); a.header.Get("X-Tallygate-Soft-Landing") != "" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

// A prompt that is too long for one model goes on to the next if the owner says so, and one
// that is refused for what it says goes nowhere else.
func TestTryLonger(t *testing.T) {
	long := &providers.UpstreamError{Fault: providers.Refused, Status: 400, Free: true, Words: providers.Words{Code: "context_length_exceeded", Message: "too long"}}
	for _, x := range []struct {
		may    bool
		err    *providers.UpstreamError
		status int
	}{{true, long, 200}, {false, long, 400}, {true, &providers.UpstreamError{Fault: providers.Refused, Status: 400, Free: true, Words: providers.Words{Code: "content_filter", Message: "no"}}, 400}} {
		w, up := mocks(t, 2)
		w.gw.TryLonger = x.may
		up[0].fail = always(x.err)
		w.open()
		if a := w.chat(""); a.status != x.status || len(up[1].take()) == 0 != (x.status == 400) {
			t.Errorf("%+v: %d %s", x, a.status, a.body)
		}
	}
}

// An hour under fire: three upstreams that fail at random, one of them at a time being well
// at least, and 64 callers. No request is lost that one of them could serve, what is charged
// is what the upstreams have sold, and nothing stays held.
func TestFallbackUnderFire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, upstreams = 64, 3
		w, up := mocks(t, upstreams)
		w.settings.RetryFor = nil
		random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 7))
		seed := random.Uint64()
		t.Logf("seed %d", seed)
		random = rand.New(rand.NewPCG(seed, 7))
		var mu sync.Mutex
		ill := [upstreams]bool{}
		for i, m := range up {
			w.keys[tally.ID(fmt.Sprintf("pr_%d", i+1))] = []string{"one", "two"}[:1+i%2]
			m.fail = func(providers.Call) error {
				mu.Lock()
				defer mu.Unlock()
				if !ill[i] {
					return nil
				}
				return [...]error{
					overloaded(time.Duration(random.IntN(90)) * time.Second), overloaded(0), refusedKey(),
					&providers.UpstreamError{Fault: providers.Unreachable, Free: true},
					&providers.UpstreamError{Fault: providers.TimedOut, Free: true},
					&providers.UpstreamError{Fault: providers.ServerError, Status: 500, Free: true},
					&providers.UpstreamError{Fault: providers.Busy, Status: 529, Free: true},
					&providers.UpstreamError{Fault: providers.OutOfQuota, Status: 402, Free: true},
					&providers.UpstreamError{Fault: providers.BadAnswer, Free: true},
				}[random.IntN(9)]
			}
		}
		w.assemble()
		until := time.Now().Add(time.Hour)
		var wg sync.WaitGroup
		wg.Go(func() {
			for time.Now().Before(until) {
				mu.Lock()
				well := random.IntN(upstreams)
				for i := range ill {
					ill[i] = i != well && random.IntN(3) > 0
				}
				pause := time.Duration(1+random.IntN(120)) * time.Second
				mu.Unlock()
				time.Sleep(pause)
			}
		})
		answers := make([]int, callers)
		for i := range callers {
			pause := rand.New(rand.NewPCG(seed, uint64(i)))
			wg.Go(func() {
				for time.Now().Before(until) {
					extra := ""
					if pause.IntN(2) == 0 {
						extra = `,"stream":true`
					}
					r := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(`{"model":"sim-small","max_tokens":50,"messages":[{"role":"user","content":"hi"}]`+extra+`}`))
					r.Header.Set("Authorization", "Bearer "+w.token)
					r.Header.Set("X-Session-Id", fmt.Sprint("s", i))
					a := httptest.NewRecorder()
					w.server.ServeHTTP(a, r)
					if body, _ := io.ReadAll(a.Body); a.Code != http.StatusOK || strings.Contains(string(body), `"error"`) {
						t.Errorf("caller %d was told %d %s", i, a.Code, body)
						return
					}
					answers[i]++
					time.Sleep(time.Duration(1+pause.IntN(20_000)) * time.Millisecond)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		var sold, booked tally.Tokens
		requests, attempts := 0, 0
		for _, m := range up {
			sold = sold.Add(m.sold)
		}
		for after, more := "", true; more; {
			list, next, err := w.store.Records(context.Background(), recordPage(after))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range list {
				booked, requests, attempts = booked.Add(r.Tokens), requests+1, attempts+r.Attempts
			}
			after, more = next, next != ""
		}
		told := 0
		for _, n := range answers {
			told += n
		}
		if sold != booked || requests != told {
			t.Errorf("%d answers, %d records; sold %+v, booked %+v", told, requests, sold, booked)
		}
		if attempts == requests {
			t.Error("nothing has failed")
		}
		t.Logf("%d requests, %d attempts", requests, attempts)
	})
}

// A provider that hangs is left alone once callers have left it in vain: its own time-outs
// are minutes away.
func TestHangingIsFoundByCallersWhoLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, up := mocks(t, 2)
		up[0].Provider = hangs{up[0].Provider}
		w.assemble()
		ask := func() (asked [2]int) {
			ctx, leave := context.WithTimeout(t.Context(), 30*time.Second)
			defer leave()
			r := httptest.NewRequestWithContext(ctx, "POST", "/v1/chat/completions", strings.NewReader(`{"model":"sim-small","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
			r.Header.Set("Authorization", "Bearer "+w.token)
			w.server.ServeHTTP(httptest.NewRecorder(), r)
			synctest.Wait()
			return [...]int{len(up[0].take()), len(up[1].take())}
		}
		for i := range 3 {
			if asked := ask(); asked != [...]int{1, 0} {
				t.Errorf("request %d asked %v", i, asked)
			}
		}
		if asked := ask(); asked != [...]int{0, 1} {
			t.Errorf("then it asked %v", asked)
		}
	})
}

// hangs says nothing until its caller leaves.
type hangs struct{ providers.Provider }

func (hangs) Do(ctx context.Context, _ providers.Call) (*providers.Reply, error) {
	<-ctx.Done()
	return nil, &providers.UpstreamError{Fault: providers.Gone, Err: ctx.Err()}
}

func recordPage(after string) storage.RecordQuery {
	return storage.RecordQuery{After: after, Limit: 1000}
}

// What a provider's cache has saved is on the record and in the sums: what the tokens would
// have cost as plain ones, less what they have cost.
func TestCacheSaves(t *testing.T) {
	w := newWorld(t)
	w.scripted(200, `{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":40,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":30}}}`)
	cached := *price(1) / 10
	w.models[0].Prices = []tally.Price{{Input: price(1), CachedInput: &cached, Output: price(2)}}
	w.open()
	w.chat(`,"pad":"` + strings.Repeat("x", 100) + `"`)
	if r := w.one(); r.Saved != 30*900 || r.Cost != 10*1000+30*100+2000 {
		t.Errorf("%+v", r)
	}
	day := time.Now().Truncate(24 * time.Hour)
	points, err := w.store.Series(t.Context(), storage.SeriesQuery{Family: tally.ByClient, Edges: []time.Time{day, day.Add(24 * time.Hour)}})
	if err != nil || len(points) != 1 || points[0].Saved != 30*900 {
		t.Errorf("%+v, %v", points, err)
	}
}
