package gateway

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
	"tallygate/providers/openai"
)

// No body that is sent has more bytes than were held for it, whatever the dialects of the
// caller and of the upstreams that may answer: those that real clients have sent, and made
// up ones.
func TestNoBodyIsLongerThanWhatIsHeld(t *testing.T) {
	w := newWorld(t)
	w.speaker("custom").Close()
	w.models = w.models[:1]
	w.models[0].ContextTokens, w.models[0].Prices[0].CacheWriteLong = 1<<40, price(3)
	w.client.Limits = limit(tally.TokensIO, tally.MaxCount/2)
	ups := map[string]*speaker{}
	for i, kind := range []tally.ProviderKind{"custom", "anthropic", "tallygate"} {
		ups[string(kind)] = newSpeaker(t)
		p := *w.provider
		p.ID, p.Name, p.ProviderKind, p.BaseURL = tally.ID(fmt.Sprintf("pr_%d", i+1)), string(kind), kind, ups[string(kind)].URL
		m := *w.models[0]
		m.ID, m.Provider = tally.ID(fmt.Sprintf("mo_%d", i+1)), p.ID
		m.Upstream = []string{"gpt-5.5", "claude-sonnet-4-5", "another-model-with-quite-a-long-name"}[i]
		w.gw.Providers = append(w.gw.Providers, p.ID)
		if i == 0 {
			w.provider, w.models[0] = &p, &m
			continue
		}
		w.more, w.models = append(w.more, &p), append(w.models, &m)
	}
	w.kinds = openai.Kinds()
	w.open()
	names, err := filepath.Glob("../../providers/dialect/testdata/requests/*.json")
	if err != nil || len(names) < 50 {
		t.Fatal(names, err)
	}
	sent := map[string]int{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		of, _, _ := strings.Cut(filepath.Base(name), ".")
		w.heldFor(of, b, ups, sent)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		of := upstreams[rng.IntN(len(upstreams))]
		r := madeUp(rng)
		body, _, err := of.Write(nil, r, dialect.Target{Model: "sim-small", MaxOutput: r.MaxOutput, Stream: r.Stream, Reasons: rng.IntN(2) == 0, Adaptive: rng.IntN(2) == 0})
		if err != nil {
			t.Fatal(err)
		}
		w.heldFor(string(of.Name()), body, ups, sent)
	}
	for _, from := range upstreams {
		for kind := range ups {
			if pair := string(from.Name()) + " to " + kind; sent[pair] < 20 {
				t.Errorf("%d bodies went from %s", sent[pair], pair)
			}
		}
	}
}

// heldFor holds what a body may take, and sends it to each of the upstreams of its plan.
func (w *world) heldFor(of string, body []byte, ups map[string]*speaker, sent map[string]int) {
	w.t.Helper()
	body = bytes.ReplaceAll(bytes.ReplaceAll(body, []byte(`"up-model"`), []byte(`"sim-small"`)), []byte(`"claude-x"`), []byte(`"sim-small"`))
	r := httptest.NewRequest("POST", "/v1/x", bytes.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+w.token)
	r.Header.Set("Originator", "codex_exec")
	x := w.server.exchanges.Get().(*exchange)
	x.start(httptest.NewRecorder(), r, "")
	x.endpoint = providers.Chat
	x.speech = map[string]speech{"responses": inResponses, "messages": inMessages}[of]
	if x.authenticate() != nil || x.read() != nil {
		return // not for these models
	}
	if x.admit() != nil {
		return
	}
	defer x.close()
	for _, x.target = range x.targets {
		reply, _, err := x.attempt()
		if err != nil {
			w.t.Fatalf("%v for %s", err, body)
		}
		reply.Body.Close()
		kind := x.target.Upstream.Config.Name
		up := ups[kind]
		up.mu.Lock()
		got := up.body
		up.mu.Unlock()
		if tokens := int64(len(got)) - x.form.envelope.Content.ImageBytes; tokens > x.asked.InputTokens {
			w.t.Errorf("%d tokens are held for a body of %d bytes: %s was sent as %s", x.asked.InputTokens, tokens, body, got)
		}
		sent[of+" to "+kind]++
	}
}

// madeUp is a conversation of any turns, parts and tools.
func madeUp(rng *rand.Rand) *dialect.Request {
	text := func() string {
		words := []string{"word", "\"quoted\" \\ \n\t", "wörld 🌍", "<&>", strings.Repeat("x", rng.IntN(300)), "\u0001\u2028", "{}"}
		var b strings.Builder
		for range 1 + rng.IntN(5) {
			b.WriteString(words[rng.IntN(len(words))])
		}
		return b.String()
	}
	r := &dialect.Request{Model: "sim-small", Stream: rng.IntN(2) == 0, MaxOutput: int64(rng.IntN(2) * (20 + rng.IntN(9000))), User: "u"}
	r.Effort = []string{"", "low", "high", "minimal"}[rng.IntN(4)]
	r.Temperature = []dialect.Number{"", "0.5", "0.70000000000000000001"}[rng.IntN(3)]
	if rng.IntN(3) == 0 {
		r.Format = dialect.Format{Kind: dialect.JSONSchema, Name: "answer", Schema: []byte(`{"type":"object","properties":{"a":{"type":"string"}}}`), Strict: dialect.Yes}
	}
	for i := range rng.IntN(3) {
		t := dialect.Tool{Name: fmt.Sprintf("tool_%d", i), Description: text(), Schema: []byte(`{"type":"object","properties":{}}`)}
		if rng.IntN(3) == 0 {
			t.Custom, t.Schema, t.Grammar = true, nil, []byte(`{"type":"grammar","syntax":"lark","definition":"start: \"a\""}`)
		}
		r.Tools = append(r.Tools, t)
	}
	part := func() dialect.Part {
		if rng.IntN(4) == 0 {
			return dialect.Part{Kind: dialect.ImagePart, Media: &dialect.Media{Type: "image/png", Data: "iVBORw0KGgo="}}
		}
		return dialect.Part{Text: text(), Cache: []string{"", "5m"}[rng.IntN(2)]}
	}
	if rng.IntN(2) == 0 {
		r.Turns = append(r.Turns, dialect.Turn{Role: dialect.System, Parts: []dialect.Part{{Text: text()}}})
	}
	for i := range 1 + rng.IntN(4) {
		user := dialect.Turn{Role: dialect.User}
		for range 1 + rng.IntN(3) {
			user.Parts = append(user.Parts, part())
		}
		r.Turns = append(r.Turns, user)
		said := dialect.Turn{Role: dialect.Assistant}
		if rng.IntN(2) == 0 {
			said.Parts = append(said.Parts, dialect.Part{Kind: dialect.ReasoningPart, Reasoning: &dialect.Reasoning{ID: "rs_1", Text: text(), Opaque: "c2ln", Origin: []dialect.Name{dialect.Messages, dialect.Responses}[rng.IntN(2)]}})
		}
		said.Parts = append(said.Parts, dialect.Part{Text: text()})
		if len(r.Tools) > 0 {
			id, tool := fmt.Sprintf("call_%d", i), r.Tools[0]
			call := &dialect.Call{ID: id, Name: tool.Name, Arguments: `{"a":"` + strings.Repeat("y", rng.IntN(50)) + `"}`, Custom: tool.Custom}
			said.Parts = append(said.Parts, dialect.Part{Kind: dialect.CallPart, Call: call})
			r.Turns = append(r.Turns, said, dialect.Turn{Role: dialect.User, Parts: []dialect.Part{{Kind: dialect.ResultPart, Result: &dialect.Result{CallID: id, Parts: []dialect.Part{{Text: text()}}, Custom: tool.Custom, Failed: rng.IntN(2) == 0}}}})
			continue
		}
		r.Turns = append(r.Turns, said)
	}
	r.Turns = append(r.Turns, dialect.Turn{Role: dialect.User, Parts: []dialect.Part{part()}})
	return r
}
