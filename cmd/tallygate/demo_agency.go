package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"tallygate/assets"
	"tallygate/engine/tally"
)

// demoDays is how much history the demo has.
const demoDays = 90

// demoModel is a model of the demo: a real name with its price in the book, at
// a provider whose name says that it is pretend.
type demoModel struct {
	name, provider string
	prompt, answer float64 // tokens of a typical request
	prices         []tally.Price
}

// demoClient is a client of the demo.
type demoClient struct {
	slug, name, company, email string
	gateway                    string
	perDay                     float64 // requests on a working day
	models                     []string
	night, weekend             float64 // traffic then, as a share of the working day's
	full                       float64 // how much of its budget of the month is used by now
	markup                     string  // percent
	sessions                   int     // end users; 0 if it names none
	more                       string  // further limits
	keys                       []string
	suspended                  bool
}

// agency is what the demo is about.
type agency struct {
	now, began time.Time
	models     []demoModel
	clients    []demoClient
}

func newAgency(now time.Time) *agency {
	return &agency{
		now: now, began: now.AddDate(0, 0, -demoDays).Truncate(time.Hour),
		models: []demoModel{
			{name: "gpt-4.1-mini", provider: "pretend-openai", prompt: 9000, answer: 380},
			{name: "gpt-4.1", provider: "pretend-openai", prompt: 11000, answer: 620},
			{name: "text-embedding-3-small", provider: "pretend-openai", prompt: 52000},
			{name: "claude-sonnet-4-5", provider: "pretend-anthropic", prompt: 8400, answer: 740},
			{name: "gemini-2.5-flash", provider: "pretend-google", prompt: 12000, answer: 450},
		},
		clients: []demoClient{
			{slug: "hotel-aurora", name: "Hotel Aurora", company: "Aurora Hospitality", email: "it@aurora.example", gateway: "agency", perDay: 39, models: []string{"gpt-4.1-mini", "gpt-4.1"}, night: .25, weekend: 1.2, full: .93, markup: "20", sessions: 60, keys: []string{"whatsapp-bot", "website"}},
			{slug: "acme-bakery", name: "Acme Bakery", company: "Acme Foods", email: "owner@acme-bakery.example", gateway: "agency", perDay: 17, models: []string{"gpt-4.1-mini"}, night: .05, weekend: .8, full: .41, markup: "20", sessions: 25, keys: []string{"orders"}},
			{slug: "dr-silva-clinic", name: "Dr. Silva Clinic", company: "Silva Saúde", email: "front@silva.example", gateway: "agency", perDay: 21, models: []string{"claude-sonnet-4-5", "gpt-4.1-mini"}, night: .02, weekend: .1, full: .78, markup: "35", sessions: 30, more: "sessions=900/month", keys: []string{"triage"}},
			{slug: "gym-pulse", name: "Gym Pulse", email: "hello@gympulse.example", gateway: "agency", perDay: 13, models: []string{"gemini-2.5-flash"}, night: .15, weekend: 1.1, full: .37, markup: "20", sessions: 20, keys: []string{"coach-bot"}},
			{slug: "nordlicht-reisen", name: "Nordlicht Reisen", company: "Nordlicht GmbH", email: "edv@nordlicht.example", gateway: "agency", perDay: 25, models: []string{"gpt-4.1", "gemini-2.5-flash"}, night: .1, weekend: .4, full: 1, markup: "15", keys: []string{"itineraries"}},
			{slug: "cafe-lumiere", name: "Café Lumière", email: "lea@lumiere.example", gateway: "agency", perDay: 8, models: []string{"gpt-4.1-mini"}, night: .05, weekend: 1.4, full: .22, markup: "20", sessions: 10, keys: []string{"menu"}},
			{slug: "ferreira-imoveis", name: "Ferreira Imóveis", company: "Ferreira & Filhos", email: "ti@ferreira.example", gateway: "agency", perDay: 9, models: []string{"gpt-4.1-mini", "text-embedding-3-small"}, night: .05, weekend: .5, full: .55, markup: "25", keys: []string{"listings"}, suspended: true},
			{slug: "website-chat", name: "Website chat", company: "the agency itself", email: "web@agency.example", gateway: "website", perDay: 30, models: []string{"gemini-2.5-flash", "gpt-4.1-mini"}, night: .4, weekend: .7, full: .66, sessions: 90, keys: []string{"widget"}},
			{slug: "search-index", name: "Search index", company: "the agency itself", email: "web@agency.example", gateway: "website", perDay: 22, models: []string{"text-embedding-3-small"}, night: 1, weekend: 1, full: .48, more: "requests=30/minute", keys: []string{"nightly"}},
		},
	}
}

// price gives the models their prices of the price book.
func (a *agency) price() error {
	var book struct {
		Models []struct {
			Model  string
			Prices []struct {
				Rates struct{ Input, Output string }
			}
		}
	}
	if err := json.Unmarshal(assets.Prices, &book); err != nil {
		return fmt.Errorf("price book: %w", err)
	}
	for i := range a.models {
		m := &a.models[i]
		for _, entry := range book.Models {
			if entry.Model != m.name || len(entry.Prices) == 0 {
				continue
			}
			var price tally.Price
			for _, rate := range []struct {
				to   **tally.NanoUSD
				text string
			}{{&price.Input, entry.Prices[0].Rates.Input}, {&price.Output, entry.Prices[0].Rates.Output}} {
				usd, err := tally.ParseUSD(rate.text)
				if err != nil {
					return fmt.Errorf("price of %s: %w", m.name, err)
				}
				*rate.to = &usd
			}
			m.prices = []tally.Price{price}
			break
		}
		if m.prices == nil {
			return tally.Errorf(tally.Internal, "the price book has no %s", m.name)
		}
	}
	return nil
}

func (a *agency) model(name string) *demoModel {
	return &a.models[slices.IndexFunc(a.models, func(m demoModel) bool { return m.name == name })]
}

// request is a request of the history, before anybody knows IDs.
type demoRequest struct {
	at      time.Time
	client  int
	key     int
	model   *demoModel
	session int // 1 + the end user, 0 for none
	outcome tally.Outcome
	code    string
	status  int
	stream  bool
	tokens  tally.Tokens
	cost    tally.NanoUSD
	first   time.Duration
	total   time.Duration
}

// history makes up the requests, in order of time. The same seed makes the same
// ones, so that the demo is the same every day.
func (a *agency) history() []demoRequest {
	dice := rand.New(rand.NewPCG(7, 11))
	var out []demoRequest
	for hour := a.began; hour.Before(a.now); hour = hour.Add(time.Hour) {
		local := hour.Local()
		grown := 0.55 + 0.45*float64(hour.Sub(a.began))/float64(a.now.Sub(a.began)) // business is good
		for i := range a.clients {
			c := &a.clients[i]
			mean := c.perDay / 10 * grown * daytime(local.Hour(), c.night)
			if day := local.Weekday(); day == time.Saturday || day == time.Sunday {
				mean *= c.weekend
			}
			for range poisson(dice, mean) {
				if at := hour.Add(time.Duration(dice.Int64N(int64(time.Hour)))); at.Before(a.now.Add(-2 * time.Minute)) {
					out = append(out, a.request(dice, at, i))
				}
			}
		}
	}
	slices.SortFunc(out, func(x, y demoRequest) int { return x.at.Compare(y.at) })
	return out
}

// daytime is the traffic of an hour as a share of a busy one's.
func daytime(hour int, night float64) float64 {
	shape := [24]float64{0, 0, 0, 0, 0, 0, .05, .2, .5, .9, 1, 1, .85, .8, 1, 1, .95, .85, .7, .6, .5, .35, .2, .1}
	return night + (1-night)*shape[hour]
}

// poisson draws how many events there are where mean are expected.
func poisson(dice *rand.Rand, mean float64) (n int) {
	for t := dice.ExpFloat64(); t < mean; t += dice.ExpFloat64() {
		n++
	}
	return n
}

// request makes up one request: its model, how long it is, and how it ends.
func (a *agency) request(dice *rand.Rand, at time.Time, client int) demoRequest {
	c := &a.clients[client]
	m := a.model(c.models[min(int(dice.ExpFloat64()*.8), len(c.models)-1)])
	r := demoRequest{at: at, client: client, key: dice.IntN(len(c.keys)), model: m, outcome: tally.OK, status: 200, stream: m.answer > 0 && dice.IntN(3) > 0}
	if c.sessions > 0 {
		r.session = 1 + dice.IntN(c.sessions)
	}
	vary := func(typical float64) int64 { return int64(typical * (0.35 + dice.ExpFloat64()*0.65)) }
	r.tokens.Input, r.tokens.Output = 20+vary(m.prompt), vary(m.answer)
	if r.stream && dice.IntN(4) == 0 {
		r.tokens.CachedInput = r.tokens.Input / 3
		r.tokens.Input -= r.tokens.CachedInput
	}
	r.first = time.Duration(120+dice.ExpFloat64()*180) * time.Millisecond
	r.total = r.first + time.Duration(r.tokens.Output)*time.Duration(6+dice.IntN(9))*time.Millisecond
	switch p := dice.IntN(1000); {
	case p < 7:
		r.outcome, r.status, r.code = tally.OutcomeFailed, 502, tally.CodeProviderError
	case p < 10:
		r.outcome, r.status, r.code = tally.OutcomeFailed, 504, tally.CodeProviderTimeout
	case p < 20 && r.stream:
		r.outcome, r.code = tally.Canceled, tally.CodeClientClosed
		r.tokens.Output /= 3
	case p < 21:
		r.outcome, r.status = tally.Lost, 0
	case p < 30:
		r.outcome, r.status, r.code = tally.OutcomeDenied, 404, tally.CodeModelNotFound
	}
	switch {
	case r.outcome.Refused():
		r.tokens, r.first, r.total = tally.Tokens{}, 0, time.Millisecond
	case r.outcome == tally.OutcomeFailed:
		r.tokens, r.first = tally.Tokens{}, 0
	}
	if rates, ok := tally.PriceAt(m.prices, at, r.tokens.Prompt()); ok {
		r.cost = rates.Cost(r.tokens)
	}
	return r
}

// budgets are the clients' monthly caps that make each as full as it is to be.
func (a *agency) budgets(history []demoRequest) []tally.NanoUSD {
	spent := make([]tally.NanoUSD, len(a.clients))
	month := tally.Window{Unit: tally.Month}.Period(a.now, time.Local, 1)
	for i := range history {
		if r := &history[i]; month.Contains(r.at) && !r.outcome.Refused() {
			spent[r.client] += r.cost
		}
	}
	for i := range spent {
		step := tally.NanoUSD(tally.Dollar) / 100
		full := spent[i] * 1000 / tally.NanoUSD(a.clients[i].full*1000)
		if full > 10*tally.Dollar {
			step = tally.Dollar
		}
		spent[i] = max(full/step, 1) * step
	}
	return spent
}
