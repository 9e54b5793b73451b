package engine

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// settled puts a settled request into the records, n times.
func (w *world) settled(n int, change func(r *tally.Record)) {
	w.Helper()
	for range n {
		now := w.clock()
		r := tally.Record{ID: tally.NewID("req", now), At: now, Status: 200, Outcome: tally.OK, Count: 1}
		change(&r)
		if _, err := w.store.Reserve(context.Background(), tally.Reservation{ID: r.ID, At: now, ExpiresAt: now.Add(time.Minute), Draft: r}); err != nil {
			w.Fatal(err)
		}
		if err := w.store.Settle(context.Background(), tally.Settlement{ID: r.ID, Record: r}); err != nil {
			w.Fatal(err)
		}
	}
}

// told are the sentences of warnings that have a word in them.
func (w *world) told(word string) (out []string) {
	for _, x := range do(w, control.EngineStatus, control.None{}).Warnings {
		if strings.Contains(x.Sentence, word) {
			out = append(out, x.Sentence)
		}
	}
	return out
}

func (w *world) tells(word string, want ...string) {
	w.Helper()
	if got := w.told(word); !slices.Equal(got, want) {
		w.Errorf("got %q, want %q", got, want)
	}
}

func TestClientsThatWait(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	for _, name := range []string{"Acme", "Slow", "Few", "Rare"} {
		do(w, control.ClientsCreate, control.CreateClient{ClientFields: control.ClientFields{Name: to(name)}})
	}
	id := func(slug string) tally.ID { cl, _ := findClient(w.engine.catalog.Load(), slug); return cl.ID }
	of := func(slug string, wait time.Duration) func(r *tally.Record) {
		return func(r *tally.Record) { r.Client, r.Waited = id(slug), wait }
	}
	w.settled(10, of("acme", 9*time.Second))
	w.settled(900, of("acme", 0)) // 1.1 % of them waited
	w.settled(1, of("slow", 10*time.Minute))
	w.settled(9, of("few", 9*time.Second))
	w.settled(10, of("rare", 9*time.Second))
	w.settled(1000, of("rare", 999*time.Millisecond)) // too short to tell
	w.tells("waited", "Slow waited once, 10 min in all, for money or places that its own requests held",
		"Acme waited 10 times, 2 min in all, for money or places that its own requests held")

	// The sums are read every half a minute, and are of a day.
	w.settled(1, of("few", 9*time.Second))
	w.tells("Few")
	w.wait(attentionEvery)
	if got := w.told("Few waited 10 times"); len(got) != 1 {
		t.Errorf("after half a minute: %q", got)
	}
	w.wait(25 * time.Hour)
	w.tells("waited")
}

func TestAnswersThatAreCut(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	for _, name := range []string{"Acme", "Spread", "Four", "Edge"} {
		do(w, control.ClientsCreate, control.CreateClient{ClientFields: control.ClientFields{Name: to(name)}})
	}
	id := func(slug string) tally.ID { cl, _ := findClient(w.engine.catalog.Load(), slug); return cl.ID }
	of := func(slug, model string, cut bool) func(r *tally.Record) {
		return func(r *tally.Record) {
			if r.Model, r.Cut = model, cut; slug != "" {
				r.Client = id(slug)
			}
		}
	}
	w.settled(6, of("acme", "gpt-4o", true))
	w.settled(44, of("acme", "gpt-4o", false))
	for _, model := range []string{"m1", "m2"} { // neither of them alone
		w.settled(3, of("spread", model, true))
	}
	w.settled(7, of("", "m3", true)) // visitors
	w.settled(4, of("four", "m4", true))
	w.settled(5, of("edge", "m5", true)) // two in a hundred, and not more
	w.settled(245, of("edge", "m5", false))
	w.tells("of the answers", "100 % of the answers of m3 ended where a limit allowed no more", "100 % of the answers for Spread ended where a limit allowed no more",
		"12 % of the answers of gpt-4o for Acme ended where a limit allowed no more")
}

func TestBillsThatDiffer(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	for _, name := range []string{"openrouter", "exact", "cheaper"} {
		do(w, control.ProvidersCreate, control.CreateProvider{Name: name, ProviderKind: "sim"})
	}
	of := func(name string, billed, listed tally.NanoUSD) func(r *tally.Record) {
		p, _ := findProvider(w.engine.catalog.Load(), name)
		return func(r *tally.Record) { r.Provider, r.Billed, r.Listed = p.ID, &billed, listed }
	}
	w.settled(4, of("openrouter", 300_000_000, 200_000_000))
	w.settled(1, of("exact", 1_020_000_000, 1_000_000_000))
	w.settled(1, of("cheaper", 979_999_999, 1_000_000_000))
	w.settled(5, func(r *tally.Record) { r.Cost = 5_000_000_000 }) // nothing was said
	w.tells("billed", "openrouter billed $1.20 for what our prices make $0.80",
		"cheaper billed $0.98 for what our prices make $1.00")
}

func TestModelsThatAnswerForOthers(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t)
	w.provider("up", u)
	for _, m := range []string{"gpt-4", "gpt-5"} {
		do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: m, ModelFields: control.ModelFields{Prices: []control.PriceField{price("input", "1"), price("output", "2")}}})
	}
	c := w.engine.catalog.Load()
	p, _ := findProvider(c, "up")
	row := func(name string) tally.ID { return c.ModelsOf(p.ID, name)[0].Prices[0].ID }
	of := func(asked, answered string, price tally.ID) func(r *tally.Record) {
		return func(r *tally.Record) {
			r.Provider, r.Upstream, r.Answered, r.Price, r.Model = p.ID, asked, answered, price, asked
		}
	}
	w.settled(3, of("gpt-4", "gpt-4-0613", row("gpt-4"))) // its own price
	w.settled(1, of("gone", "gpt-5", row("gpt-5")))       // nobody knows what it cost
	w.settled(1, of("gpt-4", "gpt-5", ""))
	w.tells("as gpt-5")
	w.settled(2, of("gpt-4", "gpt-5", row("gpt-5")))
	w.wait(attentionEvery)
	w.tells("as gpt-5", "up answered gpt-4 as gpt-5")
	w.settled(300, of("gpt-4", "gpt-4", row("gpt-4"))) // the ring has forgotten
	w.wait(time.Hour)
	w.tells("as gpt-5", "up answered gpt-4 as gpt-5")
	for i := range 2 * answersKept {
		w.settled(1, of("gpt-4", strings.Repeat("x", i+1), row("gpt-5")))
		w.engine.watchAnswers()
	}
	if n := len(w.engine.answers.list); n != answersKept {
		t.Errorf("%d are kept", n)
	}
	w.wait(25 * time.Hour)
	w.tells("as gpt-5")
}

// Of what is under way, what waits and what nobody waits for are told.
func TestStatusOfWhatIsUnderWay(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	if got := asides(&control.Status{LeftBehind: 3}, false); len(got) != 1 || got[0].Sentence != "3 answers are read to their end for callers who have left" {
		t.Errorf("%+v", got)
	}
	var s control.Status
	now := w.clock()
	reserve := func(ctx context.Context, wait time.Duration) error {
		_, err := w.store.Reserve(ctx, tally.Reservation{ID: tally.NewID("req", now), At: now, ExpiresAt: now.Add(time.Minute), Wait: wait, Since: now,
			Bounds:  tally.Bounds{{Base: 1}},
			Charges: []tally.Charge{{Counter: tally.Counter{Subject: "client:x", Metric: tally.Requests, Period: tally.Period{Label: "total", End: tally.Never}}, Max: 1}}})
		return err
	}
	if err := reserve(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- reserve(ctx, time.Minute) }()
	for range 1000 {
		if s = do(w, control.EngineStatus, control.None{}); s.Waiting == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if s.Waiting != 1 {
		t.Errorf("%d wait", s.Waiting)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("it was let in")
	}
}

// Requests for models that nobody has are told of to whoever asks, not only on a screen.
func TestAskedInVain(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	_, key := w.client("Aurora")
	w.chat(key.Key, "no-such-model")
	w.chat(key.Key, "no-such-model")
	w.wait(2 * attentionEvery)
	for _, x := range do(w, control.EngineStatus, control.None{}).Warnings {
		if x.Kind == control.WarnAsked {
			if !strings.HasSuffix(x.Sentence, " for models that do not exist") || x.Gravity != control.Warn {
				t.Errorf("%+v", x)
			}
			return
		}
	}
	t.Error("nothing is said")
}

// So are requests that failed because providers refuse their owner.
func TestProvidersRefuseTheirOwner(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	gw := w.engine.catalog.Load().Gateways[0].ID
	for _, code := range []string{tally.CodeProviderAuth, tally.CodeProviderQuota, tally.CodeNoProvider} {
		w.settled(2, func(r *tally.Record) { r.Gateway, r.Outcome, r.Status, r.Code = gw, tally.OutcomeFailed, 502, code })
	}
	w.wait(2 * attentionEvery)
	var told []string
	for _, x := range do(w, control.EngineStatus, control.None{}).Warnings {
		if x.Kind == control.WarnTurnedDown && x.Gravity == control.Bad {
			told = append(told, x.Next)
			if !strings.HasPrefix(x.Sentence, "2 requests failed: ") || x.Detail == "" {
				t.Errorf("%+v", x)
			}
		}
	}
	want := []string{"tallygate requests list --filter code:provider_auth", "tallygate requests list --filter code:provider_quota", "tallygate requests list --filter code:no_provider"}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
