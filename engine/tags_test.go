package engine

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// tagged asks with headers, and returns the status and the answer.
func (w *world) tagged(key, model string, headers ...string) (int, string) {
	w.Helper()
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(
		`{"model":"`+model+`","messages":[{"role":"user","content":"Hello"}]}`))
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	out := httptest.NewRecorder()
	w.engine.Public().ServeHTTP(out, r)
	return out.Code, out.Body.String()
}

// Each value of a tag, each model and each session has a limit of its own; what the period
// has seen before the limit was set counts, also after a restart.
func TestLimitsPerPart(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, made := w.client("acme")
	ask := func(want int, model string, headers ...string) string {
		t.Helper()
		code, text := w.tagged(made.Key, model, headers...)
		if code != want {
			t.Fatalf("%s %q: %d %s, want %d", model, headers, code, text, want)
		}
		return text
	}
	const tags = "X-Tallygate-Tags"
	ask(200, "sim-small", tags, "project=alpha, run=1")
	set := func(limits ...string) {
		t.Helper()
		do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{Limits: edits(t, limits...)}})
	}
	set("requests=2/day per project", "requests=4/month per model=sim-small", "requests=3/day per session")
	ask(200, "sim-small", tags, "project=alpha", "X-Session-Id", "a")
	said := ask(429, "sim-small", tags, "project=alpha", "X-Session-Id", "b")
	if want := `Client \"acme\", for project=alpha, has used 2 of 2 requests today`; !strings.Contains(said, want) {
		t.Errorf("%s does not say %s", said, want)
	}
	w.restart()
	ask(429, "sim-small", tags, "project=alpha", "X-Session-Id", "b")
	ask(200, "sim-small", tags, "project=beta", "X-Session-Id", "b")
	ask(200, "sim-small", "X-Session-Id", "b") // without project
	said = ask(429, "sim-small", tags, "project=gamma", "X-Session-Id", "b")
	if want := `for model=sim-small, has used 4 of 4 requests this month`; !strings.Contains(said, want) {
		t.Errorf("%s does not say %s", said, want)
	}
	set("requests=none/month per model=sim-small")
	ask(200, "sim-small", "X-Session-Id", "b")
	said = ask(429, "sim-small", tags, "project=gamma", "X-Session-Id", "b")
	if want := `This session of client \"acme\" has used 3 of 3 requests today`; !strings.Contains(said, want) {
		t.Errorf("%s does not say %s", said, want)
	}
	said = ask(429, "sim-small", "X-Session-Id", "c")
	if want := `for requests without project, has used 2 of 2 requests today`; !strings.Contains(said, want) {
		t.Errorf("%s does not say %s", said, want)
	}
	w.wait(24 * time.Hour)
	ask(200, "sim-small", tags, "project=alpha", "X-Session-Id", "b")
	if r, err := w.store.Verify(t.Context(), 0); err != nil || !r.OK {
		t.Errorf("%+v, %v", r, err)
	}
}

// A limit per model that was taken away and is set again counts what was used meanwhile.
func TestLimitPerPartComesBack(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, made := w.client("acme", "requests=5/month per model")
	set := func(limit string) {
		do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{Limits: edits(t, limit)}})
	}
	for range 2 {
		w.served(made.Key, "sim-small")
	}
	set("requests=none/month per model")
	for range 2 {
		w.served(made.Key, "sim-small")
	}
	set("requests=5/month per model")
	w.served(made.Key, "sim-small")
	if a := w.chat(made.Key, "sim-small"); a.status != 429 {
		t.Errorf("the sixth of five is answered %d", a.status)
	}
}

// What a key is tagged with its callers cannot change, and a tag that cannot be read is
// refused with what to write.
func TestTagsOfKeysAndCallers(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.client("acme")
	made := do(w, control.KeysCreate, control.CreateKey{Client: "acme", Label: "flow", Tags: to([]string{"project=alpha", "team=web"})})
	if code, text := w.tagged(made.Key, "sim-small", "X-Tallygate-Tags", "project=beta, run=7, stage=a b, more=1", "User-Agent", "codex_exec/0.171.0 (Debian)"); code != 200 {
		t.Fatalf("%d %s", code, text)
	}
	page := do(w, control.RequestsList, control.RequestQuery{Tag: "tool=codex"})
	if len(page.Requests) != 1 || page.Requests[0].Tags != "more=1,project=alpha,team=web,tool=codex" && page.Requests[0].Tags != "project=alpha,run=7,team=web,tool=codex" && page.Requests[0].Tags.Value("project") != "alpha" {
		t.Fatalf("%+v", page.Requests)
	}
	if n := page.Requests[0].Tags.Len(); n != tally.MaxTags+1 {
		t.Errorf("it has %d tags: %s", n, page.Requests[0].Tags)
	}
	for _, bad := range []string{"project", "Project=a", "a=1,b=2,c=3,d=4,e=5", "a=1,a=2", "model=x", "tool=mine", "a=" + strings.Repeat("x", 65), "a=\u202e"} {
		code, text := w.tagged(made.Key, "sim-small", "X-Tallygate-Tags", bad)
		if code != 400 || !strings.Contains(text, "project=alpha, run=42") {
			t.Errorf("%q: %d %s", bad, code, text)
		}
	}
	do(w, control.KeysUpdate, control.UpdateKey{PickKey: control.PickKey{Key: string(made.ID)}, Tags: to([]string{"none"})})
	if code, _ := w.tagged(made.Key, "sim-small", "X-Tallygate-Tags", "project=beta"); code != 200 {
		t.Fatal(code)
	}
	use := do(w, control.UsageShow, control.UsageQuery{By: "tag", Tag: "project"})
	if len(use.Rows) != 3 || use.Rows[2].Name != "without project" || use.Rows[2].Requests != 0 || use.Rows[0].Requests != 1 || use.Rows[1].Requests != 1 {
		t.Errorf("%+v", use.Rows)
	}
}

// A caller may make up values without end: those beyond a thousand count together.
func TestTooManyTags(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, _ := w.client("acme")
	p := &tally.Principal{Client: w.engine.catalog.Load().Client(cl.ID)}
	for i := range 1500 {
		if i == 1200 {
			w.restart()
		}
		w.settled(1, func(r *tally.Record) {
			r.Client, r.Tags = cl.ID, w.engine.meter.Tags(t.Context(), p, tally.Tags(fmt.Sprintf("run=%d", i)), w.clock())
		})
	}
	use := do(w, control.UsageShow, control.UsageQuery{By: "tag", Tag: "run"})
	for _, r := range use.Rows {
		if r.Name == tally.OtherTag && r.Requests != 500 {
			t.Errorf("%d requests are of other runs, want 500", r.Requests)
		}
	}
	if len(use.Rows) != 1001 { // with that of the others
		t.Errorf("%d rows", len(use.Rows))
	}
}

// Usage by session is told by days of UTC, and adds up.
func TestUsageBySession(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, made := w.client("acme")
	for _, who := range []string{"a", "b", "a", ""} {
		w.tagged(made.Key, "sim-small", "X-Session-Id", who)
	}
	w.wait(24 * time.Hour)
	w.tagged(made.Key, "sim-small", "X-Session-Id", "b")
	use := do(w, control.UsageShow, control.UsageQuery{By: "session", Client: cl.Slug, Since: "3d"})
	var got []int64
	for _, r := range use.Rows {
		got = append(got, r.Requests)
	}
	if fmt.Sprint(got) != "[2 2 1]" || use.Rows[2].Name != "without session" {
		t.Errorf("%v %+v", got, use.Rows)
	}
}

// What is left of a month is carried over to the next one, up to a share of the limit, and
// never for longer.
func TestCarryOver(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, made := w.client("acme", "requests=4/month,carry=50%")
	use := func(n int) (served int) {
		for range n {
			if w.chat(made.Key, "sim-small").status == 200 {
				served++
			}
		}
		return served
	}
	state := func() control.LimitState {
		return do(w, control.ClientsShow, control.Named{Name: cl.Slug}).LimitStates[0]
	}
	if n := use(1); n != 1 || state().Max != 4 { // it was not there before this month
		t.Errorf("%d served; %+v", n, state())
	}
	w.at(time.Date(2026, 12, 1, 0, 0, 1, 0, time.UTC))
	if s := state(); s.Max != 6 || s.Text != "requests=4/month,carry=50% +2 carried over" {
		t.Errorf("December: %+v", s)
	}
	if n := use(8); n != 6 {
		t.Errorf("%d are served in December, want 6", n)
	}
	w.restart()
	if n := use(1); n != 0 {
		t.Error("one more is served after a restart")
	}
	w.at(time.Date(2027, 1, 1, 0, 0, 1, 0, time.UTC))
	if n := use(8); n != 4 {
		t.Errorf("%d are served in January, want 4", n)
	}
	for _, bad := range []string{"cost=5/total,carry=50%", "cost=5/month,carry=101%", "cost=5/month,carry=0%", "cost=5/month,carry=x", "cost=5/month per model,carry=50%"} {
		if e, err := tally.ParseLimit(bad); err == nil {
			t.Errorf("%s is read as %+v", bad, e)
		}
	}
}

// A statement by the values of a tag adds up to what was used, and one that was closed so
// stays so.
func TestStatementByTag(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, _ := w.client("acme")
	for i, tags := range []tally.Tags{"project=alpha,run=1", "project=beta", "", "project=alpha"} {
		w.settled(1, func(r *tally.Record) { r.Client, r.Tags, r.Credits = cl.ID, tags, tally.NanoUSD(1_000_001+i) })
	}
	ask := control.StatementQuery{Client: cl.Slug, Tag: "project"}
	v := do(w, control.ClientsStatement, ask)[0]
	var sum tally.NanoUSD
	var names []string
	for _, u := range v.Tags {
		sum, names = sum+u.Credits, append(names, u.Name)
	}
	if sum != v.Used || fmt.Sprint(names) != "[alpha without project beta]" {
		t.Errorf("%q are %d, used %d", names, sum, v.Used)
	}
	ask.Tag = "Project"
	if _, err := control.ClientsStatement.Do(t.Context(), w.owner, ask); tally.CodeOf(err) != tally.Invalid {
		t.Error(err)
	}
}

// What the owner has named is told apart however many values callers make up: the tags of
// a key, and those that limits are for.
func TestTagsOfOwnerAreNeverOther(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, made := w.client("acme", "requests=1/month per project=menu", "requests=1/month per run=vip", "requests=2/day per team")
	flow := do(w, control.KeysCreate, control.CreateKey{Client: "acme", Label: "flow", Tags: to([]string{"project=menu"})})
	p := &tally.Principal{Client: w.engine.catalog.Load().Client(cl.ID)}
	for i := range 1100 {
		w.engine.meter.Tags(t.Context(), p, tally.Tags(fmt.Sprintf("run=%d", i)), w.clock())
	}
	for i := range 1010 {
		team := tally.Tags(fmt.Sprintf("team=%d", i))
		if got := w.engine.meter.Tags(t.Context(), p, team, w.clock()); (got == team) != (i < 1000) {
			t.Fatalf("%s counts as %s, though runs take nothing of what is limited per team", team, got)
		}
	}
	for want, headers := range map[string][]string{"project=menu": {flow.Key}, "run=vip": {made.Key, "X-Tallygate-Tags", "run=vip"}} {
		if code, text := w.tagged(headers[0], "sim-small", headers[1:]...); code != 200 {
			t.Fatalf("%s: %d %s", want, code, text)
		}
		if page := do(w, control.RequestsList, control.RequestQuery{Tag: want}); len(page.Requests) != 1 {
			t.Errorf("%d requests have %s, want 1", len(page.Requests), want)
		}
		if code, text := w.tagged(headers[0], "sim-small", headers[1:]...); code != 429 {
			t.Errorf("the second of one with %s is answered %d %s", want, code, text)
		}
	}
}

// Refusals that come together in a minute are of their own part each, so that who looks
// after a restart sees what was refused, and to whom.
func TestRefusalsAreOfTheirPart(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	_, made := w.client("acme", "requests=1/month per project")
	for _, project := range []string{"a", "b"} {
		for range 4 {
			w.tagged(made.Key, "sim-small", "X-Tallygate-Tags", "project="+project)
		}
	}
	w.engine.meter.FlushRefusals(t.Context(), time.Time{})
	for _, r := range do(w, control.UsageShow, control.UsageQuery{By: "tag", Tag: "project"}).Rows {
		if r.Requests != 0 && r.Refused != 3 {
			t.Errorf("of project %s %d were refused, want 3", r.Name, r.Refused)
		}
	}
}

// A limit of a model binds whoever asks for the model by an alias, and counts what was
// asked for so before a restart.
func TestLimitPerModelBindsAliases(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "main", GatewayFields: control.GatewayFields{
		Aliases: &map[string]string{"big": "sim-large", "huge": "sim-large"}}})
	_, made := w.client("acme", "requests=3/month per model=sim-large", "requests=1/month per model=huge", "requests=9/day per model")
	for i, x := range []struct {
		model string
		want  int
	}{{"sim-large", 200}, {"big", 200}, {"huge", 200}, {"big", 429}, {"sim-large", 429}, {"huge", 429}, {"sim-small", 200}} {
		if i == 3 {
			w.restart()
		}
		if code, text := w.tagged(made.Key, x.model); code != x.want {
			t.Errorf("%s: %d %s, want %d", x.model, code, text, x.want)
		}
	}
	if r, err := w.store.Verify(t.Context(), 0); err != nil || !r.OK {
		t.Errorf("%+v, %v", r, err)
	}
}

// What callers and owners are told of a limit that each value has is told of one value, by
// its name, or of none.
func TestStandingsOfPartsSayWhose(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	_, made := w.client("acme", "requests=1/month per project", "requests=5/day per tool=codex", "tokens=900/month per run")
	for range 2 {
		w.tagged(made.Key, "sim-small", "X-Tallygate-Tags", "project=alpha")
	}
	r := httptest.NewRequest(http.MethodGet, "/v1/usage", nil)
	r.Header.Set("Authorization", "Bearer "+made.Key)
	out := httptest.NewRecorder()
	w.engine.Public().ServeHTTP(out, r)
	for _, want := range []string{
		`{"of":"client","metric":"requests","window":"month per project","part":"project=alpha","max":1,"used":1,`,
		`{"of":"client","metric":"requests","window":"day per tool=codex","max":5,"used":0,`,
		`{"of":"client","metric":"tokens","window":"month per run","max":900,"text":"900 each",`,
	} {
		if !strings.Contains(out.Body.String(), want) {
			t.Errorf("%s does not have %s", out.Body, want)
		}
	}
	states := do(w, control.ClientsShow, control.Named{Name: "acme"}).LimitStates
	for i, want := range []string{"project=alpha 1 0", " 0 5", "  "} {
		var cells []string
		for _, column := range []string{"part", "used", "left"} {
			v := control.LimitTable.Column(column).Get(&states[i])
			if cells = append(cells, v.Long(time.UTC)); v.Void {
				cells[len(cells)-1] = ""
			}
		}
		if got := strings.Join(cells, " "); got != want {
			t.Errorf("%s shows %q, want %q", states[i].Text, got, want)
		}
	}
}
