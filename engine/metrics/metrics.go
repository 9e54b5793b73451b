// Package metrics keeps figures of what the gateway does and how it is, for Prometheus and
// for whatever else reads its format.
//
// What requests did is counted from their records, once they are settled: the store hands
// them to [Metrics.Publish] on its own goroutine, so no request waits for a label to be
// found. How the parts are is asked for when somebody reads, see [State]. Figures begin at
// zero with the process; the books are in the store, and no figure here ever gets there.
//
// Names are those of OpenTelemetry's conventions for generative AI where there are some, in
// the form that Prometheus gives them, else they begin with tallygate_. A label is the name
// of a gateway, a provider or a model of the owner's, or one of our own words. Their number
// is bounded: what is beyond it is called other. No label names a client, a key, a token or
// a visitor.
package metrics

import (
	"cmp"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"tallygate/engine/tally"
)

// The buckets that the conventions ask for.
var (
	tokenBuckets    = prometheus.ExponentialBuckets(1, 4, 14)
	durationBuckets = prometheus.ExponentialBuckets(0.01, 2, 14)
	firstBuckets    = []float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	perTokenBuckets = []float64{.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5}
)

var textFormat = expfmt.NewFormat(expfmt.TypeTextPlain)

// readPatience is how long a reader waits for the state.
const readPatience = 5 * time.Second

// Metrics are the figures. Publish is called by one goroutine at a time, everything else
// concurrently.
type Metrics struct {
	registry *prometheus.Registry
	catalog  atomic.Pointer[tally.Catalog]
	read     atomic.Pointer[func(context.Context) (State, error)]

	requests, refusals, tokens, attempts     *prometheus.CounterVec
	duration, first, perToken, usage, waited *prometheus.HistogramVec
	cost, credits                            *money

	// What follows is Publish's.
	names   names
	series  map[series]*figures
	refused map[refusal]prometheus.Counter
	tried   map[try]prometheus.Counter
}

// New makes figures that are all zero.
func New(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), names: names{}}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(v)
		return v
	}
	const operation, provider, model = "gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"
	m.duration = histogram("gen_ai_server_request_duration_seconds",
		"Time from the arrival of a request to the end of its answer.",
		durationBuckets, operation, provider, model, "error_type")
	m.first = histogram("gen_ai_server_time_to_first_token_seconds",
		"Time from the arrival of a request to the first byte of its stream.", firstBuckets, operation, provider, model)
	m.perToken = histogram("gen_ai_server_time_per_output_token_seconds",
		"Time for each token of a stream after its first.", perTokenBuckets, operation, provider, model)
	m.usage = histogram("gen_ai_client_token_usage", "Tokens of a request, by whether they went in or came out.",
		tokenBuckets, operation, provider, model, "gen_ai_token_type")
	m.waited = histogram("tallygate_waiting_seconds",
		"How long requests waited for room, of those that did.", durationBuckets, "gateway")
	m.requests = counter("tallygate_requests_total", "Requests that were admitted, by what became of them.",
		"gateway", "endpoint", "provider", "model", "outcome", "stream")
	m.refusals = counter("tallygate_refusals_total",
		"Requests that were refused before they cost anything, by the code that callers are told.", "gateway", "code")
	m.tokens = counter("tallygate_tokens_total", "Tokens by their class.", "gateway", "provider", "model", "class")
	m.attempts = counter("tallygate_upstream_attempts_total",
		"Calls of providers: ok, or why they failed.", "provider", "result")
	m.cost = newMoney("tallygate_cost_usd_total",
		"What requests have cost the owner, in US dollars.", "gateway", "provider", "model")
	m.credits = newMoney("tallygate_credits_usd_total",
		"What requests have cost clients, in US dollars: the cost with their mark-up.", "gateway")
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tallygate_build_info", Help: "1, with the version of the program.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.cost, m.credits, build, stateCollector{m}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Use says which names there are from here on.
func (m *Metrics) Use(c *tally.Catalog) { m.catalog.Store(c) }

// Watch says whom to ask how the parts are.
func (m *Metrics) Watch(read func(context.Context) (State, error)) { m.read.Store(&read) }

// Write writes all figures as text.
func (m *Metrics) Write(w io.Writer) error {
	families, err := m.registry.Gather()
	if err != nil {
		return err
	}
	enc := expfmt.NewEncoder(w, textFormat)
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return err
		}
	}
	return nil
}

// Handler answers at /metrics, and nowhere else. Anybody who reaches it may read.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		if rebound(r) {
			http.Error(w, "Ask by the address, or by localhost.", http.StatusMisdirectedRequest)
			return
		}
		w.Header().Set("Content-Type", string(textFormat))
		m.Write(w) // an error here is the reader's; there is nobody left to tell
	})
	return mux
}

// rebound reports whether a request has come to this machine's own address by another name.
// A page in a browser here does so to read what it must not, once its name leads here.
func rebound(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return local != nil && local.IP.IsLoopback() && host != "localhost" && net.ParseIP(strings.Trim(host, "[]")) == nil
}

// series is what the figures of a record depend on.
type series struct {
	gateway, provider     tally.ID
	model, endpoint, code string
	outcome               tally.Outcome
	stream                bool
}

// figures are what a record is counted on.
type figures struct {
	requests                                 prometheus.Counter
	duration, first, perToken, input, output prometheus.Observer
	waited                                   prometheus.Observer
	tokens                                   [tally.NumClasses]prometheus.Counter // nil before the first of them
	cost, credits                            *amount

	gateway, provider, model string // as labels
}

type refusal struct {
	gateway tally.ID
	code    string
}

type try struct {
	provider tally.ID
	result   string
}

// Publish counts durable records. It never blocks, and keeps none of them.
func (m *Metrics) Publish(records []tally.Record) {
	cached := len(m.series) + len(m.refused) + len(m.tried)
	if c := m.catalog.Load(); m.names.catalog != c || m.series == nil || cached > maxCached {
		m.names.catalog = c // names may have changed
		m.series, m.refused = map[series]*figures{}, map[refusal]prometheus.Counter{}
		m.tried = map[try]prometheus.Counter{}
	}
	for i := range records {
		if r := &records[i]; r.Outcome.Refused() {
			m.refuse(r)
		} else {
			m.count(r)
		}
	}
}

func (m *Metrics) refuse(r *tally.Record) {
	of := refusal{r.Gateway, r.Code}
	c := m.refused[of]
	if c == nil {
		c = m.refusals.WithLabelValues(m.names.gateway(r.Gateway), m.names.code(r.Code))
		m.refused[of] = c
	}
	c.Add(float64(r.Count))
}

func (m *Metrics) count(r *tally.Record) {
	of := series{r.Gateway, r.Provider, r.Model, r.Endpoint, "", r.Outcome, r.Stream}
	if r.Outcome != tally.OK {
		of.code = r.Code
	}
	f := m.series[of]
	if f == nil {
		f = m.figures(&of)
		m.series[of] = f
	}
	f.requests.Inc()
	f.duration.Observe(r.Total.Seconds())
	if r.Waited > 0 {
		f.waited.Observe(r.Waited.Seconds())
	}
	output := r.Tokens.Completion()
	if r.Stream && r.FirstByte > 0 {
		f.first.Observe(r.FirstByte.Seconds())
		if output > 1 {
			f.perToken.Observe((r.Total - r.FirstByte).Seconds() / float64(output-1))
		}
	}
	if input := r.Tokens.Prompt(); input > 0 {
		f.input.Observe(float64(input))
	}
	if output > 0 {
		f.output.Observe(float64(output))
	}
	for class, n := range r.Tokens.ByClass() {
		if n == 0 {
			continue
		}
		if f.tokens[class] == nil {
			f.tokens[class] = m.tokens.WithLabelValues(f.gateway, f.provider, f.model, tally.Class(class).String())
		}
		f.tokens[class].Add(float64(n))
	}
	f.cost.add(r.Cost)
	f.credits.add(r.Credits)
	for i := range r.Tries {
		m.tryOf(r.Tries[i].Provider, cmp.Or(r.Tries[i].Cause, "ok")).Inc()
	}
	if len(r.Tries) == 0 && r.Attempts > 0 { // none of them failed
		m.tryOf(r.Provider, "ok").Add(float64(r.Attempts))
	}
}

// figures finds what a series is counted on.
func (m *Metrics) figures(of *series) *figures {
	n := &m.names
	f := &figures{gateway: n.gateway(of.gateway), provider: n.provider(of.provider), model: n.model(of.model)}
	endpoint := n.endpoint(of.endpoint)
	if !n.admit(f.gateway, f.provider, f.model, endpoint) {
		f.gateway, f.provider, f.model, endpoint = other, other, other, other
	}
	stream := "false"
	if of.stream {
		stream = "true"
	}
	op := operationOf(endpoint)
	f.requests = m.requests.WithLabelValues(f.gateway, endpoint, f.provider, f.model, string(of.outcome), stream)
	f.duration = m.duration.WithLabelValues(op, f.provider, f.model, n.code(of.code))
	f.first = m.first.WithLabelValues(op, f.provider, f.model)
	f.perToken = m.perToken.WithLabelValues(op, f.provider, f.model)
	f.input = m.usage.WithLabelValues(op, f.provider, f.model, "input")
	f.output = m.usage.WithLabelValues(op, f.provider, f.model, "output")
	f.waited = m.waited.WithLabelValues(f.gateway)
	f.cost, f.credits = m.cost.with(f.gateway, f.provider, f.model), m.credits.with(f.gateway)
	return f
}

func (m *Metrics) tryOf(provider tally.ID, result string) prometheus.Counter {
	of := try{provider, result}
	c := m.tried[of]
	if c == nil {
		c = m.attempts.WithLabelValues(m.names.provider(provider), m.names.code(result))
		m.tried[of] = c
	}
	return c
}
