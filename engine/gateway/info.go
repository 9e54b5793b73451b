package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"tallygate/engine/meter"
	"tallygate/engine/tally"
)

// answer writes a JSON value.
func (x *exchange) answer(status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		x.server.Logger.Error("write an answer", "request", x.id, "err", err)
		x.tell(internalError())
		return
	}
	x.send(status, body)
}

// send writes JSON.
func (x *exchange) send(status int, body []byte) {
	h := x.w.Header()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.writeHead(status)
	x.w.Write(body) // an error here is the caller's
}

// amounts is what was used, by metric; money in nano-USD with its decimal text
// beside it. What a request costs its owner is left out for clients that are billed
// otherwise, and all money for visitors.
type amounts struct {
	Requests       int64          `json:"requests"`
	Tokens         int64          `json:"tokens"`
	CostUSD        *string        `json:"cost_usd,omitempty"`
	CostNanoUSD    *tally.NanoUSD `json:"cost_nano_usd,omitempty"`
	CreditsUSD     *string        `json:"credits_usd,omitempty"`
	CreditsNanoUSD *tally.NanoUSD `json:"credits_nano_usd,omitempty"`
	Sessions       int64          `json:"sessions"`
	Since          time.Time      `json:"since"`
}

// limitStanding is a limit for the caller whom it limits. Max, Used, Held and
// Left are counts, or nano-USD where the metric is money; where that is not for the
// caller, only the share stands there. Of a limit that each value of a part has, what is
// used is told of the fullest that was refused, and of none before.
type limitStanding struct {
	Of       string       `json:"of"` // gateway, client, key, token or visitor
	Metric   tally.Metric `json:"metric"`
	Window   tally.Window `json:"window"`
	Part     string       `json:"part,omitempty"` // the fullest that was refused, where each value has the limit
	Max      *int64       `json:"max,omitempty"`
	Used     *int64       `json:"used,omitempty"`
	Held     *int64       `json:"held,omitempty"`
	Left     *int64       `json:"left,omitempty"`
	Share    string       `json:"share,omitempty"` // used, of the whole: "24%"
	Text     string       `json:"text"`            // "$1.20 of $5.00", or the share
	ResetsAt time.Time    `json:"resets_at,omitzero"`
	Warn     bool         `json:"warn,omitempty"`
}

// usage tells this very credential what it has used, and what its limits leave.
func (x *exchange) usage() {
	p := x.principal
	standings, err := x.server.Meter.StandingsOf(x.ctx, x.cat, p, x.at)
	if err == nil {
		var today, month amounts
		if today, err = x.usedIn(tally.Window{Unit: tally.Day}); err == nil {
			if month, err = x.usedIn(tally.Window{Unit: tally.Month}); err == nil {
				x.answer(http.StatusOK, usageOf(p, standings, today, month))
				return
			}
		}
	}
	x.tell(&tally.Refusal{Status: http.StatusServiceUnavailable, Type: tally.TypeUnavailable, Code: tally.CodeStore,
		Message: "The gateway cannot read its counters: " + tally.AsError(err).Message, RetryAfter: 5 * time.Second})
}

// usedIn adds up what the credential has used in the current period of a window.
func (x *exchange) usedIn(w tally.Window) (amounts, error) {
	limits := make([]tally.Limit, 0, tally.NumMetrics)
	for _, m := range tally.Metrics[:tally.Balance.Index()] { // which has no window
		limits = append(limits, tally.Limit{Metric: m, Window: w})
	}
	of, err := x.server.Meter.Standings(x.ctx, x.cat, x.principal.Gateway, x.server.Meter.SubjectOf(x.principal), limits, x.at)
	if err != nil {
		return amounts{}, err
	}
	used := func(m tally.Metric) int64 { return of[m.Index()].Used }
	out := amounts{Requests: used(tally.Requests), Tokens: used(tally.TokensIO), Sessions: used(tally.Sessions), Since: of[0].Period.Start}
	if !x.principal.Visitor {
		out.CreditsNanoUSD, out.CreditsUSD = money(used(tally.Credits))
		if !meter.PaysOtherwise(x.principal) {
			out.CostNanoUSD, out.CostUSD = money(used(tally.Cost))
		}
	}
	return out, nil
}

func money(n int64) (*tally.NanoUSD, *string) {
	text := tally.NanoUSD(n).String()
	return new(tally.NanoUSD(n)), &text
}

func usageOf(p *tally.Principal, standings []meter.Standing, today, month amounts) any {
	out := struct {
		Object  string          `json:"object"`
		Gateway string          `json:"gateway"`
		Client  string          `json:"client,omitempty"`
		Key     string          `json:"key,omitempty"`
		Token   string          `json:"token,omitempty"`
		Today   amounts         `json:"today"`
		Month   amounts         `json:"month"`
		Limits  []limitStanding `json:"limits"`
	}{Object: "usage", Gateway: p.Gateway.Name, Today: today, Month: month, Limits: make([]limitStanding, 0, len(standings))}
	if p.Client != nil {
		out.Client = p.Client.Name
	}
	if p.Key != nil {
		out.Key = p.Key.Label
	}
	if p.Token != nil {
		out.Token = p.Token.ID
	}
	for _, s := range standings {
		of, _ := s.Subject.Split()
		if of == "gateway" && p.Visitor {
			continue // what the owner spends is not for every reader of a page
		}
		if whole, _, part := s.Subject.Part(); part {
			of, _ = whole.Split()
		}
		l := limitStanding{Of: of, Metric: s.Metric, Window: s.Window, Part: s.Part, Warn: s.Warn, Share: meter.Share(s.Used, s.Max)}
		each, hidden := s.Window.Each() && s.Part == "", p.Visitor && s.Metric.Money() || meter.PaysOtherwise(p) && s.Metric == tally.Cost
		if each {
			l.Share = ""
		}
		switch {
		case each && hidden:
			l.Text = "a budget each"
		case each:
			l.Max, l.Text = &s.Max, s.Metric.Format(s.Max)+" each"
		case hidden:
			l.Text = l.Share + " of the budget"
		default:
			l.Max, l.Used, l.Held, l.Left = &s.Max, &s.Used, &s.Held, new(s.Left())
			l.Text = s.Metric.Format(s.Used) + " of " + s.Metric.Format(s.Max)
		}
		if s.Period.Ends() {
			l.ResetsAt = s.Period.End
		}
		out.Limits = append(out.Limits, l)
	}
	return out
}

// health is what WebLLM clients probe for, from any page: that it is there, and
// which version.
func (x *exchange) health() {
	x.answer(http.StatusOK, map[string]string{"status": "ok", "version": x.server.Version})
}

// alive is for operators: the process answers.
func (x *exchange) alive() { x.answer(http.StatusOK, map[string]string{"status": "ok"}) }

// Part is something that serving needs, and how it is.
type Part struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	State string `json:"state"`
}

// readiness is what /readyz says.
type readiness struct {
	Status  string `json:"status"`
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
	Parts   []Part `json:"parts,omitempty"`
}

// ready is for load balancers: requests can be served. With ?verbose it says how each part
// is that serving needs.
func (x *exchange) ready() {
	out := readiness{Status: "ready"}
	if x.r.URL.Query().Has("verbose") && x.server.Health != nil {
		out.Parts = x.server.Health(x.ctx)
	}
	err := x.server.Ready()
	if x.server.draining.Load() {
		err = tally.Errorf(tally.Unavailable, "the gateway is shutting down")
	}
	if err == nil {
		x.answer(http.StatusOK, out)
		return
	}
	e := tally.AsError(err)
	out.Status, out.Message, out.Hint = "unavailable", e.Message, e.Hint
	x.answer(http.StatusServiceUnavailable, out)
}
