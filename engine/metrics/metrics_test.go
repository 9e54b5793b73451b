package metrics

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"tallygate/assets"
	"tallygate/engine/tally"
)

// catalog has a gateway, two providers and as many models as are named.
func catalog(models ...string) *tally.Catalog {
	entities := []tally.Entity{
		&tally.Gateway{Meta: tally.Meta{ID: "gw_1"}, Slug: "main", Name: "Main"},
		&tally.Provider{Meta: tally.Meta{ID: "pr_1"}, Name: "work", Enabled: true},
		&tally.Provider{Meta: tally.Meta{ID: "pr_2"}, Name: "spare", Enabled: true},
	}
	for i, name := range models {
		id := tally.ID(fmt.Sprint("mo_", i))
		entities = append(entities, &tally.Model{Meta: tally.Meta{ID: id}, Provider: "pr_1", Name: name})
	}
	return tally.NewCatalog(1, entities)
}

// answered is the record of a stream that went well at the second attempt.
func answered() tally.Record {
	return tally.Record{
		ID: "req_1", Gateway: "gw_1", Provider: "pr_1",
		Client: "cl_secret", Key: "ke_secret", Token: "token-secret", Session: "session-secret",
		Model: "gpt-mini", Endpoint: "chat/completions", Stream: true, Outcome: tally.OK, Status: 200, Attempts: 2, Count: 1,
		Tries:  []tally.Attempt{{Provider: "pr_2", Cause: "server"}, {Provider: "pr_1"}},
		Tokens: tally.Tokens{Input: 100, CachedInput: 20, Output: 41}, Cost: 1_500_000_001, Credits: 1_800_000_001,
		Waited: time.Second, FirstByte: 200 * time.Millisecond, Total: time.Second, Reason: "reason-secret",
	}
}

// full has some of every figure.
func full() *Metrics {
	m := New("1.2.3")
	m.Use(catalog("gpt-mini"))
	m.Watch(func(context.Context) (State, error) {
		now := time.Now()
		return State{Started: now, Backup: now, Checked: now, Admitting: true, Parts: []Part{{"disk", true}},
			Providers: []Provider{{"work", true}, {"spare", false}}, Certificates: []Certificate{{"ai.example.com", now}}}, nil
	})
	refused := tally.Record{Gateway: "gw_1", Outcome: tally.OutcomeLimited, Code: "cost_limit", Count: 7}
	m.Publish([]tally.Record{answered(), answered(), refused})
	return m
}

func text(t testing.TB, m *Metrics) string {
	t.Helper()
	var out bytes.Buffer
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Requests are counted as their records say, money to the last billionth, and no figure
// names who asked.
func TestFigures(t *testing.T) {
	got := text(t, full())
	const model = `gen_ai_provider_name="work",gen_ai_request_model="gpt-mini"`
	for _, want := range []string{
		`tallygate_requests_total{endpoint="chat/completions",gateway="main",` +
			`model="gpt-mini",outcome="ok",provider="work",stream="true"} 2`,
		`tallygate_refusals_total{code="cost_limit",gateway="main"} 7`,
		`tallygate_cost_usd_total{gateway="main",model="gpt-mini",provider="work"} 3.000000002`,
		`tallygate_credits_usd_total{gateway="main"} 3.600000002`,
		`tallygate_tokens_total{class="cached_input",gateway="main",model="gpt-mini",provider="work"} 40`,
		`tallygate_upstream_attempts_total{provider="spare",result="server"} 2`,
		`tallygate_upstream_attempts_total{provider="work",result="ok"} 2`,
		`gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",` + model + `,gen_ai_token_type="input"} 240`,
		`gen_ai_server_request_duration_seconds_count{error_type="",gen_ai_operation_name="chat",` + model + `} 2`,
		`gen_ai_server_time_per_output_token_seconds_sum{gen_ai_operation_name="chat",` + model + `} 0.04`,
		`tallygate_provider_ready{provider="spare"} 0`,
		`tallygate_build_info{go_version="`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %s", want)
		}
	}
	if strings.Contains(got, "secret") {
		t.Errorf("a figure names who asked, or why:\n%s", got)
	}
}

// Neither many names nor what callers make up make what is read large, and a name that has
// series keeps them.
func TestLabelsAreBounded(t *testing.T) {
	var models []string
	for i := range 3 * maxNamed {
		models = append(models, fmt.Sprint("model-", i))
	}
	m := New("1.2.3")
	m.Use(catalog(models...))
	endpoints := []string{"chat/completions", "messages", "responses", "embeddings"}
	for i := range 4 * maxCached {
		r := answered()
		r.Model, r.Endpoint = fmt.Sprint("model-", i%(3*maxNamed)), endpoints[i%len(endpoints)]
		made := answered()
		made.Model = fmt.Sprint("made-up-", i)
		refused := tally.Record{Gateway: "gw_1", Outcome: tally.OutcomeDenied, Code: fmt.Sprint("code-", i), Count: 1}
		m.Publish([]tally.Record{r, made, refused})
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if n := len(f.GetMetric()); n > 4*maxSeries {
			t.Errorf("%s has %d series", f.GetName(), n)
		}
	}
	got := text(t, m)
	has := func(words string) bool { return strings.Contains(got, words) }
	if has("made-up") || !has(`model="model-0"`) || !has(`model="other"`) {
		t.Error("labels are not what they are to be")
	}
}

// A name that changes is the label of what comes after.
func TestNamesChange(t *testing.T) {
	m := full()
	c := catalog("gpt-mini")
	c.Provider("pr_1").Name = "home"
	m.Use(c)
	m.Publish([]tally.Record{answered()})
	if got := text(t, m); !strings.Contains(got, `tallygate_upstream_attempts_total{provider="home",result="ok"} 1`) {
		t.Error("the new name has no series")
	}
}

// While the state cannot be read, the rest can.
func TestStateThatCannotBeRead(t *testing.T) {
	m := full()
	m.Watch(func(context.Context) (State, error) { return State{}, io.ErrUnexpectedEOF })
	got := text(t, m)
	if strings.Contains(got, "tallygate_holds ") || !strings.Contains(got, "tallygate_requests_total{") {
		t.Error("the state is there, or the counters are not")
	}
}

// Nothing is served but the figures.
func TestHandler(t *testing.T) {
	h := full().Handler()
	for path, want := range map[string]int{"/metrics": 200, "/": 404, "/metrics/x": 404, "/debug/pprof/": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/metrics", nil))
	if w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
	// A page whose name leads to this machine reads nothing; Prometheus here, and in a
	// network by a name, does.
	for _, tc := range []struct {
		local, host string
		want        int
	}{
		{"127.0.0.1", "evil.example:9283", 421}, {"::1", "evil.example", 421}, {"127.0.0.1", "127.0.0.1:9283", 200},
		{"127.0.0.1", "localhost:9283", 200}, {"::1", "[::1]:9283", 200}, {"10.0.0.5", "tallygate:9283", 200},
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Host = tc.host
		local := &net.TCPAddr{IP: net.ParseIP(tc.local), Port: 9283}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local)))
		if w.Code != tc.want {
			t.Errorf("%s at %s: %d, want %d", tc.host, tc.local, w.Code, tc.want)
		}
	}
}

// Every figure says what it is, and is named as Prometheus asks; the dashboard asks for
// figures and labels that there are, and leaves none of ours out.
func TestDashboard(t *testing.T) {
	families, err := full().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	known, labels := map[string]bool{}, map[string]bool{"le": true, "job": true, "__rate_interval": true}
	for _, f := range families {
		counts := f.GetType().String() == "COUNTER"
		if f.GetHelp() == "" || counts && !strings.HasSuffix(f.GetName(), "_total") {
			t.Errorf("%s: %s %q", f.GetName(), f.GetType(), f.GetHelp())
		}
		known[f.GetName()] = true
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels[l.GetName()] = true
		}
	}
	var board struct {
		Title      string `json:"title"`
		Templating struct {
			List []struct {
				Definition string `json:"definition"`
			} `json:"list"`
		} `json:"templating"`
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				Expr   string `json:"expr"`
				Legend string `json:"legendFormat"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal([]byte(assets.Dashboard), &board); err != nil {
		t.Fatal(err)
	}
	asked, queries := map[string]bool{}, 0
	look := func(where, query string) {
		queries++
		for _, name := range regexp.MustCompile(`\b(?:tallygate|gen_ai|go|process)_[a-z_]+`).FindAllString(query, -1) {
			bare := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			if !known[name] && !known[bare] && !labels[name] {
				t.Errorf("%s asks for %s, which there is not", where, name)
			}
			asked[name], asked[bare] = true, true
		}
		for _, m := range regexp.MustCompile(`([a-z_]+)(?:=~|!=|=)"`).FindAllStringSubmatch(query, -1) {
			if !labels[m[1]] {
				t.Errorf("%s asks for the label %s", where, m[1])
			}
		}
	}
	for _, v := range board.Templating.List {
		if v.Definition != "" {
			look("a variable", v.Definition)
		}
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			look(p.Title, target.Expr)
			for _, m := range regexp.MustCompile(`\{\{(.*?)\}\}`).FindAllStringSubmatch(target.Legend, -1) {
				if !labels[m[1]] {
					t.Errorf("%s is named by the label %s", p.Title, m[1])
				}
			}
		}
	}
	for name := range known {
		if ours := strings.HasPrefix(name, "tallygate_") || strings.HasPrefix(name, "gen_ai_"); ours && !asked[name] {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
	if board.Title != "tallygate" || queries < 30 {
		t.Errorf("%q has %d queries", board.Title, queries)
	}
}

// What a settled request costs beside its record: nothing of it is on the request's own
// goroutine.
func BenchmarkPublish(b *testing.B) {
	m := New("1.2.3")
	m.Use(catalog("gpt-mini"))
	records := []tally.Record{answered()}
	records[0].Tries = nil
	b.ReportAllocs()
	for b.Loop() {
		m.Publish(records)
	}
}

// What a reading costs with some traffic.
func BenchmarkWrite(b *testing.B) {
	m := full()
	for b.Loop() {
		if err := m.Write(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
