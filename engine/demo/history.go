package demo

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"tallygate/engine/tally"
)

// request is a request of the agency, before anybody knows IDs.
type request struct {
	at      time.Time
	client  int // -1 for a visitor of the website
	key     int
	visit   visit
	model   *model
	session int // 1 + the end user, 0 for none
	outcome tally.Outcome
	code    string
	status  int
	stream  bool
	tokens  tally.Tokens
	cost    tally.NanoUSD
	first   time.Duration
	total   time.Duration
	count   int64                 // of refusals that are alike; 0 is 1
	more    func(r *tally.Record) // what else happened to it, nil for nothing
}

// history makes up the requests, in order of time. The same seed makes the same
// ones, so that the demo is the same every day.
func (a *Agency) history() []request {
	dice := rand.New(rand.NewPCG(7, 11))
	var out []request
	for hour := a.began; hour.Before(a.Now); hour = hour.Add(time.Hour) {
		local := hour.In(a.Zone)
		weekend := local.Weekday() == time.Saturday || local.Weekday() == time.Sunday
		grown := 0.55 + 0.45*float64(hour.Sub(a.began))/float64(a.Now.Sub(a.began)) // business is good
		some := func(mean float64, one func(at time.Time) request) {
			for range poisson(dice, mean*grown*a.Share) {
				if at := hour.Add(time.Duration(dice.Int64N(int64(time.Hour)))); at.Before(a.Now.Add(-2 * time.Minute)) {
					out = append(out, one(at))
				}
			}
		}
		for i := range a.clients {
			c := &a.clients[i]
			mean := c.perDay / 10 * daytime(local.Hour(), c.night)
			if weekend {
				mean *= c.weekend
			}
			some(mean, func(at time.Time) request { return a.request(dice, at, i) })
		}
		some(visitsPerDay/10*daytime(local.Hour(), .3), func(at time.Time) request { return a.visit(dice, at) })
	}
	for range a.Lately {
		at := a.Now.Add(-time.Duration(dice.Int64N(int64(15 * time.Minute))))
		r := a.incoming(dice, at)
		r.shorten()
		out = append(out, r)
	}
	out = append(out, a.events(dice)...)
	slices.SortStableFunc(out, func(x, y request) int { return x.at.Compare(y.at) })
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

// incoming makes up a request of anybody: those with more traffic ask more often.
func (a *Agency) incoming(dice *rand.Rand, at time.Time) request {
	all := float64(visitsPerDay)
	for i := range a.clients {
		all += a.clients[i].perDay
	}
	share := dice.Float64() * all
	for i := range a.clients {
		if share -= a.clients[i].perDay; share < 0 {
			return a.request(dice, at, i)
		}
	}
	return a.visit(dice, at)
}

// request makes up one request: its model, how long it is, and how it ends.
func (a *Agency) request(dice *rand.Rand, at time.Time, client int) request {
	c := &a.clients[client]
	m := a.model(c.models[min(int(dice.ExpFloat64()*.8), len(c.models)-1)])
	r := a.ask(dice, at, m)
	r.client, r.key = client, dice.IntN(len(c.keys))
	if c.sessions > 0 {
		r.session = 1 + dice.IntN(c.sessions)
	}
	switch p := dice.IntN(1000); {
	case c.suspended && at.After(a.Now.Add(-suspended)):
		r.refused(403, tally.OutcomeDenied, tally.CodeClientSuspended)
	case p < 7:
		r.fails(502, tally.CodeProviderError)
	case p < 10:
		r.fails(504, tally.CodeProviderTimeout)
	case p < 20 && r.stream:
		r.outcome, r.code = tally.Canceled, tally.CodeClientClosed
		r.tokens.Output /= 3
	case p < 21:
		r.outcome, r.status = tally.Lost, 0
	case p < 30:
		r.refused(404, tally.OutcomeDenied, tally.CodeModelNotFound)
	}
	r.price()
	return r
}

// ask makes up a request that is answered.
func (a *Agency) ask(dice *rand.Rand, at time.Time, m *model) request {
	r := request{at: at, model: m, outcome: tally.OK, status: 200, stream: m.answer > 0 && dice.IntN(3) > 0}
	vary := func(typical float64) int64 { return int64(typical * (0.35 + dice.ExpFloat64()*0.65)) }
	r.tokens.Input, r.tokens.Output = 20+vary(m.prompt), vary(m.answer)
	if r.stream && dice.IntN(4) == 0 {
		r.tokens.CachedInput = r.tokens.Input / 3
		r.tokens.Input -= r.tokens.CachedInput
	}
	r.first = time.Duration(120+dice.ExpFloat64()*180) * time.Millisecond
	r.total = r.first + time.Duration(r.tokens.Output)*time.Duration(6+dice.IntN(9))*time.Millisecond
	r.price()
	return r
}

func (r *request) price() {
	if rates, ok := tally.PriceAt(r.model.prices, r.at, r.tokens.Prompt()); ok {
		r.cost = rates.Cost(r.tokens)
	}
}

// shorten makes a request one of many: together they cost little beside the history.
func (r *request) shorten() {
	if r.outcome.Refused() {
		return
	}
	r.tokens.Input, r.tokens.CachedInput, r.tokens.Output = r.tokens.Input/20, r.tokens.CachedInput/20, r.tokens.Output/4
	r.total = r.first + (r.total-r.first)/4
	r.price()
}

func (r *request) fails(status int, code string) {
	r.outcome, r.status, r.code = tally.OutcomeFailed, status, code
	r.tokens, r.cost, r.first = tally.Tokens{}, 0, 0
}

func (r *request) refused(status int, outcome tally.Outcome, code string) {
	r.outcome, r.status, r.code = outcome, status, code
	r.tokens, r.cost, r.first, r.total = tally.Tokens{}, 0, 0, time.Millisecond
}

// events are what happened of late that is worth telling: a provider that was out of
// order, a script that asked too fast, and one request each of what is rare.
func (a *Agency) events(dice *rand.Rand) (out []request) {
	ago := func(d time.Duration) time.Time { return a.Now.Add(-d) }
	one := func(d time.Duration, slug, model string, change func(r *request)) {
		r := a.ask(dice, ago(d), a.model(model))
		r.client = a.client(slug)
		change(&r)
		out = append(out, r)
	}
	for i := range 6 {
		one(5*time.Hour+time.Duration(i)*95*time.Second, "dr-silva-clinic", "claude-sonnet-4-5", func(r *request) { r.fails(504, tally.CodeProviderTimeout); r.total = 30 * time.Second })
	}
	for i := range 3 {
		one(11*time.Hour-time.Duration(i)*time.Minute, "search-index", "text-embedding-3-small", func(r *request) {
			r.refused(429, tally.OutcomeLimited, tally.CodeRate)
			r.count = int64(40 - 11*i)
			r.more = func(rec *tally.Record) {
				minute := tally.Window{Unit: tally.Minute}.Period(rec.At, a.Zone, 1)
				rec.Reason = fmt.Sprintf("Client \"Search index\" has used 30 of 30 requests this minute; it resets on %s.",
					tally.Civil(minute.End, a.Zone))
				rec.Reached = &tally.Reached{Subject: tally.SubjectOf("client", rec.Client), Metric: tally.Requests, Window: minute.Label, Used: 30, Need: 1, Max: 30, Resets: minute.End.UTC()}
			}
		})
	}
	one(40*time.Minute, "hotel-aurora", "gpt-4.1-mini", func(r *request) {
		r.more = func(rec *tally.Record) { rec.Waited = 3200 * time.Millisecond }
	})
	one(35*time.Minute, "hotel-aurora", "gpt-4.1", func(r *request) { r.more = func(rec *tally.Record) { rec.Cut = true } })
	one(31*time.Minute, "gym-pulse", "gemini-2.5-flash", func(r *request) {
		r.more = func(rec *tally.Record) { rec.Answered = "gemini-2.5-flash-09-2025" }
	})
	one(26*time.Minute, "hotel-aurora", "gpt-4.1-mini", func(r *request) {
		r.outcome, r.code, r.stream = tally.Canceled, tally.CodeClientClosed, true
	})
	one(22*time.Minute, "acme-bakery", "gpt-4.1-mini", func(r *request) { r.outcome, r.status, r.total = tally.Lost, 0, time.Minute })
	return out
}

// budgets are the clients' monthly caps that make each as full as it is to be.
func (a *Agency) budgets(history []request) []tally.NanoUSD {
	spent := make([]tally.NanoUSD, len(a.clients))
	month := tally.Window{Unit: tally.Month}.Period(a.Now, a.Zone, 1)
	for i := range history {
		if r := &history[i]; r.client >= 0 && month.Contains(r.at) && !r.outcome.Refused() {
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
