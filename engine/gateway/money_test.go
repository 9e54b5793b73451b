package gateway

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers/openai"
)

// quick is how many tokens a second the model of a biller writes.
const quick = 20_000

// biller is an upstream that goes wrong in all the ways there are, obeys the
// maximum it is sent, and keeps its own book of what it has produced.
type biller struct {
	*httptest.Server
	stops bool // it stops when a stream is closed; otherwise it writes to the end

	mu     sync.Mutex // guards billed
	billed map[string]tally.Tokens
}

// faults are the ways, by name. Those that are free are proven to be: by a status,
// by an error without output, by a page, by a usage of nothing.
var faults = []string{"", "", "", "no-usage", "prompt-only", "zero", "status-500", "status-429", "status-400", "status-504", "hang-head", "hang-body", "early-usage", "early-zeros",
	"close-head", "cut", "error-inside", "error-first", "error-late", "error-tools", "status-422", "page", "slow", "elsewhere", "other-form", "other-form-cut", "zipped", "picky"}

func startBiller(t testing.TB, stops bool) *biller {
	b := &biller{stops: stops, billed: map[string]tally.Tokens{}}
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(b.answer))
	b.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connection{}, c) }
	b.Start()
	t.Cleanup(b.Close)
	return b
}

// connection is the key of a request's connection in its context.
type connection struct{}

// model is how fast an answer is written: no faster than its kind says. One that stops does
// so when its caller closes the connection, and not when this process comes round to see it.
type model struct {
	r     *http.Request
	stops bool
	began time.Time
	seen  time.Time // of one that stops, when its caller was there for certain
}

func (b *biller) model(r *http.Request) *model {
	now := time.Now()
	return &model{r, b.stops, now, now}
}

// there reports whether somebody is there to write for.
func (m *model) there() bool {
	now := time.Now()
	if m.stops && (m.r.Context().Err() != nil || closed(m.r.Context().Value(connection{}).(net.Conn))) {
		return false
	}
	m.seen = now
	return true
}

// written is how many tokens there are by now, at most so many.
func (m *model) written(most int64) int64 {
	m.there()
	return min(most, int64(m.seen.Sub(m.began).Seconds()*quick))
}

// bill adds to what a request is billed, over all its attempts.
func (b *biller) bill(id string, used tally.Tokens) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.billed[id] = b.billed[id].Add(used)
}

func (b *biller) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var in struct {
		Stream bool  `json:"stream"`
		Max    int64 `json:"max_tokens"`
		MaxNew int64 `json:"max_completion_tokens"`
		ID     string
		Fault  []string // of each attempt
		Wants  int64
	}
	if err != nil || json.Unmarshal(body, &in) != nil {
		w.WriteHeader(400)
		return
	}
	fault := in.Fault[0]
	if r.Header.Get("Authorization") == "Bearer second" || strings.HasPrefix(r.URL.Path, "/second") {
		fault = in.Fault[1]
	}
	used := tally.Tokens{Input: int64(len(body)) / 8, Output: min(max(in.Max, in.MaxNew), in.Wants)}
	usage := fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}`, used.Input, used.Output, used.Input+used.Output)
	status, _ := strings.CutPrefix(fault, "status-")
	if fault == "picky" { // about what the gateway asks for itself
		if strings.Contains(string(body), "stream_options") {
			w.WriteHeader(422)
			io.WriteString(w, `{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"]}]}`)
			return
		}
		fault = "no-usage"
	}
	switch fault {
	case "other-form", "other-form-cut":
		b.workOtherwise(w, r, fault, in.ID, in.Stream, used, usage)
		return
	case "status-500", "status-429", "status-400":
		n, _ := strconv.Atoi(status)
		w.WriteHeader(n)
		io.WriteString(w, `{"error":{"message":"no"}}`)
		return
	case "error-first", "status-422": // they name what was used all the same
		for m := b.model(r); m.written(used.Output) < used.Output; time.Sleep(20 * time.Microsecond) {
			if !m.there() { // nobody will read it, and a model that stops has not written it
				return
			}
		}
		b.bill(in.ID, used)
		failure := `{"error":{"message":"no"},"choices":[],"usage":` + usage + `}`
		switch {
		case fault == "status-422":
			w.WriteHeader(422)
			io.WriteString(w, failure)
		case in.Stream:
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: {\"error\":{\"message\":\"no\"}}\n\n")
			w.(http.Flusher).Flush()
			fmt.Fprintf(w, "data: {\"choices\":[],\"usage\":%s}\n\n", usage)
		default:
			io.WriteString(w, failure)
		}
		return
	case "status-504": // a time-out in between: what is behind it has worked
		b.bill(in.ID, used)
		w.WriteHeader(504)
		return
	case "page":
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<html>Sign in</html>")
		return
	case "error-inside":
		w.Header().Set("Content-Type", map[bool]string{true: "text/event-stream", false: "application/json"}[in.Stream])
		if in.Stream {
			io.WriteString(w, "data: {\"error\":{\"message\":\"no\"}}\n\n")
			return
		}
		io.WriteString(w, `{"error":{"message":"no"}}`)
		return
	case "zero":
		usage, used = `{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`, tally.Tokens{}
		if !in.Stream {
			fmt.Fprintf(w, `{"choices":[{"message":{"content":""},"finish_reason":"stop"}],"usage":%s}`, usage)
			return
		}
		fallthrough
	case "no-usage", "prompt-only", "", "slow", "elsewhere", "cut", "error-late", "error-tools", "hang-head", "hang-body", "close-head", "early-usage", "early-zeros", "zipped":
		b.work(w, r, fault, in.ID, in.Stream, used, usage)
	}
}

// work produces an answer, and bills it whatever becomes of it.
func (b *biller) work(w http.ResponseWriter, r *http.Request, fault, id string, stream bool, used tally.Tokens, usage string) {
	m := b.model(r)
	written := func() int64 { return m.written(used.Output) }
	late := func(after time.Duration) {
		for end := time.Now().Add(after); r.Context().Err() == nil && m.there() && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
	}
	if !stream || fault == "hang-head" || fault == "close-head" {
		if stream && b.stops {
			defer func() { b.bill(id, tally.Tokens{Input: used.Input, Output: written()}) }()
		} else {
			b.bill(id, used)
		}
		switch fault {
		case "hang-head":
			late(time.Second)
			return
		case "close-head":
			panic(http.ErrAbortHandler)
		case "hang-body":
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte(`{"choices"`))
			w.(http.Flusher).Flush()
			late(time.Second)
			panic(http.ErrAbortHandler)
		case "cut", "error-late":
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte(`{"choices"`))
			return
		case "slow":
			time.Sleep(20 * time.Millisecond)
		case "zipped":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			fmt.Fprintf(z, `{"model":"up","choices":[{"message":{"content":%q},"finish_reason":"stop"}],"usage":%s}`, strings.Repeat("word", int(used.Output)), usage)
			return
		case "no-usage":
			usage = "null"
		case "prompt-only":
			usage = fmt.Sprintf(`{"prompt_tokens":%d}`, used.Input)
		}
		model := "up"
		if fault == "elsewhere" {
			model = "dear"
		}
		fmt.Fprintf(w, `{"model":%q,"choices":[{"message":{"content":%q},"finish_reason":"stop"}],"usage":%s}`, model, strings.Repeat("word", int(used.Output)), usage)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	var sent int64
	defer func() {
		if !b.stops && fault != "error-late" && fault != "error-tools" { // it goes on, whoever reads
			sent = used.Output
		}
		b.bill(id, tally.Tokens{Input: used.Input, Output: sent})
	}()
	if fault == "early-usage" || fault == "early-zeros" { // usage that is not the last word, and then it breaks
		prompt := used.Input
		if fault == "early-zeros" {
			prompt = 0
		}
		fmt.Fprintf(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":0,\"total_tokens\":%d}}\n\n", prompt, prompt)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	delta := `{"content":"word"}`
	if fault == "error-tools" {
		delta = `{"tool_calls":[{"index":0,"custom":{"input":"word"}}]}`
	}
	for sent < used.Output {
		for sent >= written() {
			if !m.there() {
				return
			}
			time.Sleep(20 * time.Microsecond)
		}
		sent++
		fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"delta\":%s}]}\n\n", delta)
		w.(http.Flusher).Flush()
		if fault == "slow" {
			time.Sleep(time.Millisecond)
		}
		if b.stops && r.Context().Err() != nil {
			return
		}
		if sent == used.Output/2 {
			switch fault {
			case "cut":
				panic(http.ErrAbortHandler)
			case "error-late", "error-tools":
				fmt.Fprint(w, "data: {\"error\":{\"message\":\"no\"}}\n\n")
				return
			case "hang-body":
				late(time.Second)
				panic(http.ErrAbortHandler)
			}
		}
	}
	fmt.Fprint(w, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\n")
	switch fault {
	case "no-usage":
	case "prompt-only":
		fmt.Fprintf(w, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":%d}}\n\n", used.Input)
	default:
		fmt.Fprintf(w, "data: {\"choices\":[],\"usage\":%s}\n\n", usage)
	}
	fmt.Fprint(w, "data: [DONE]\n\n")
}

// workOtherwise answers in the other form than was asked for.
func (b *biller) workOtherwise(w http.ResponseWriter, r *http.Request, fault, id string, stream bool, used tally.Tokens, usage string) {
	cut := fault == "other-form-cut"
	if stream && b.stops { // until its head tells that it is no stream, it may be one that stops
		m := b.model(r)
		for m.written(used.Output) < used.Output && m.there() {
			time.Sleep(20 * time.Microsecond)
		}
		used.Output = m.written(used.Output)
	}
	b.bill(id, used)
	if stream {
		answer := fmt.Sprintf(`{"model":"up","choices":[{"message":{"content":%q},"finish_reason":"stop"}],"usage":%s}`, strings.Repeat("word", int(used.Output)), usage)
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		if cut {
			answer = answer[:len(answer)/2]
		}
		io.WriteString(w, answer)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for range used.Output {
		io.WriteString(w, `data: {"choices":[{"index":0,"delta":{"content":"word"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`+"\n\n")
	}
	if cut {
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":%s}\n\ndata: [DONE]\n\n", usage)
}

// TestNeverMoreThanWasSaid: whatever goes wrong, and whoever leaves when, no limit
// is passed, and every request is booked at no less than the upstream has produced
// for it, over all its attempts.
func TestNeverMoreThanWasSaid(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 7))
			stops := seed%2 == 0
			up := startBiller(t, stops)
			w := newWorld(t)
			w.kinds = openai.Kinds()
			for i := range w.kinds {
				w.kinds[i].TokensPerSecond = quick
			}
			kind := tally.ProviderKind("custom")
			if stops {
				kind = "deepseek"
			}
			first, second := *w.provider, *w.provider
			first.Name, first.ProviderKind, first.BaseURL = "first", kind, up.URL+"/first"
			first.FirstByteTimeout, first.ChunkTimeout, first.Timeout = 60*time.Millisecond, 60*time.Millisecond, 150*time.Millisecond
			second = first
			second.ID, second.Name, second.BaseURL = "pr_2", "second", up.URL+"/second"
			w.provider, w.more = &first, append(w.more, &second)
			w.gw.Providers = []tally.ID{"pr_1", "pr_2"}
			one := *w.models[0]
			one.Name, one.Upstream = "m", "up"
			two, dear := one, one
			two.ID, two.Provider = "mo_2", "pr_2"
			dear.ID, dear.Name, dear.Upstream, dear.Prices = "mo_3", "dear", "dear", []tally.Price{{Input: price(2), Output: price(4)}}
			w.models = []*tally.Model{&one, &two, &dear}
			budget := tally.NanoUSD(1_000_000 + random.Int64N(20_000_000))
			w.client.Limits = []tally.Limit{{Metric: tally.Cost, Window: tally.Window{Unit: tally.Total}, Max: int64(budget)},
				{Metric: tally.TokensIO, Window: tally.Window{Unit: tally.Total}, Max: 1000 + random.Int64N(100_000)}}
			wait := time.Duration(random.Int64N(int64(300 * time.Millisecond)))
			w.settings.HoldWait = &wait
			w.open()
			var all sync.WaitGroup
			for i := range 8 {
				random := rand.New(rand.NewPCG(seed, uint64(100+i)))
				all.Go(func() {
					for n := range 12 {
						w.random(t, random, fmt.Sprintf("r%d-%d", i, n))
					}
				})
			}
			all.Wait()
			for w.server.InFlight() > 0 {
				time.Sleep(time.Millisecond)
			}
			w.balance(t, up, budget)
		})
	}
}

// random sends a request that goes wrong somehow, and leaves now and then.
func (w *world) random(t *testing.T, random *rand.Rand, id string) {
	fault := func() string { return faults[random.IntN(len(faults))] }
	body, _ := json.Marshal(map[string]any{
		"model": "m", "stream": random.IntN(2) == 0, "user": id, "ID": id, "Fault": []string{fault(), fault()}, "Wants": random.Int64N(60),
		"messages": []map[string]string{{"role": "user", "content": strings.Repeat("x", random.IntN(400))}},
	})
	var fields map[string]any
	json.Unmarshal(body, &fields)
	if random.IntN(3) > 0 {
		fields["max_tokens"] = 1 + random.IntN(200)
	}
	body, _ = json.Marshal(fields)
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	if random.IntN(4) == 0 {
		time.AfterFunc(time.Duration(random.Int64N(int64(80*time.Millisecond))), leave)
	}
	r, _ := http.NewRequestWithContext(ctx, "POST", w.http.URL+"/v1/chat/completions", strings.NewReader(string(body)))
	r.Header.Set("Authorization", "Bearer "+w.token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body) // whatever it is
}

// balance holds our book against the upstream's.
func (w *world) balance(t *testing.T, up *biller, budget tally.NanoUSD) {
	t.Helper()
	var sum tally.NanoUSD
	booked := map[string]tally.Record{}
	for _, r := range w.records() {
		sum += r.Cost
		var tries tally.NanoUSD
		for _, a := range r.Tries {
			tries += a.Cost
		}
		if len(r.Tries) > 0 && (tries != r.Cost || len(r.Tries) != r.Attempts) {
			t.Errorf("attempts cost %d, the request %d: %+v", tries, r.Cost, r)
		}
		if r.Uncounted && (r.Cost != 0 || r.Tokens.Total() != 0) {
			t.Errorf("it is not counted and cost something: %+v", r)
		}
		booked[r.Session] = r
	}
	if sum > budget {
		t.Errorf("%d are booked of a budget of %d", sum, budget)
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	for id, used := range up.billed {
		r := booked[w.sealer.Hash("cl_1", id)]
		// The record's tokens are of all attempts; each is priced alike here.
		if r.Tokens.Prompt() < used.Input || r.Tokens.Completion() < used.Output || r.Cost < tally.NanoUSD(used.Input*1000+used.Output*2000) {
			t.Errorf("%s: the upstream has billed %+v; booked as %s %s %+v, cost %d, tries %+v", id, used, r.Outcome, r.Basis, r.Tokens, r.Cost, r.Tries)
		}
	}
	if n := w.server.LeftBehind(); n != 0 {
		t.Errorf("%d are left behind", n)
	}
}
