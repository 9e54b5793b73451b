package tuitest

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (w *World) answerHistory() {
	answer(w, control.UsageShow, w.usage)
	answer(w, control.RequestsList, func(in control.RequestQuery) (control.RequestPage, error) {
		out := control.RequestPage{Requests: []control.RequestView{}}
		skip, _ := strconv.Atoi(in.After)
		since, bad := w.instant(string(in.Since), time.Time{})
		until, worse := w.instant(string(in.Until), w.clock())
		if err := firstOf(bad, worse); err != nil {
			return out, err
		}
		most := cmp.Or(in.Limit, 50)
		for i := range w.records {
			r := w.view(&w.records[len(w.records)-1-i])
			if in.Client != "" && r.Client != in.Client || in.Model != "" && r.Model != in.Model || in.Provider != "" && r.Provider != in.Provider ||
				in.Key != "" && string(r.KeyID) != in.Key || in.Status != 0 && r.Status != in.Status || in.Outcome != "" && r.Outcome != in.Outcome || in.Code != "" && r.Code != in.Code || r.At.Before(since) || r.At.After(until) {
				continue
			}
			if skip > 0 {
				skip--
				continue
			}
			if len(out.Requests) == most {
				n, _ := strconv.Atoi(in.After)
				out.Next = strconv.Itoa(n + most)
				break
			}
			out.Requests = append(out.Requests, r)
		}
		return out, nil
	})
	answer(w, control.RequestsShow, func(in control.PickRequest) (control.RequestView, error) {
		for i := range w.records {
			if r := &w.records[len(w.records)-1-i]; string(r.ID) == in.ID {
				return w.view(r), nil
			}
		}
		return control.RequestView{}, tally.Errorf(tally.NotFound, "there is no request %q", in.ID).WithHint("its record may have been deleted by retention")
	})
}

func (w *World) view(r *tally.Record) control.RequestView {
	provider := func(id tally.ID) string {
		if p, err := w.provider(string(id)); err == nil {
			return p.Name
		}
		return ""
	}
	v := control.NewRequestView(r, r.At, provider)
	v.Provider = provider(r.Provider)
	if g, err := w.gateway(string(r.Gateway)); err == nil {
		v.Gateway = g.Slug
	}
	if c, err := w.client(string(r.Client)); err == nil {
		v.Client = c.Slug
	}
	if k, err := w.key(string(r.Key), ""); err == nil {
		v.Key = k.Label
	}
	return v
}

// instant reads a point in time as people and screens write it: how long ago,
// a date, or a whole timestamp.
func (w *World) instant(text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 {
			return w.clock().UTC().AddDate(0, 0, -n), nil
		}
	}
	if long, err := time.ParseDuration(text); err == nil && long > 0 {
		return w.clock().UTC().Add(-long), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, tally.Errorf(tally.Invalid, "%q is not a span", text).WithHint("24h, 7d, 30d, 90d, or a date")
}

// usage invents usage: so much per hour as the world has traffic, shared among
// what it is broken down by.
func (w *World) usage(in control.UsageQuery) (control.Usage, error) {
	now := w.clock().UTC()
	since, err := w.instant(string(in.Since), now.AddDate(0, 0, -30))
	if err != nil {
		return control.Usage{}, err
	}
	until, err := w.instant(string(in.Until), now)
	if err != nil {
		return control.Usage{}, err
	}
	since = since.Truncate(tally.Bucket)
	scale := 1.0
	if in.Client != "" {
		c, err := w.client(in.Client)
		if err != nil {
			return control.Usage{}, err
		}
		scale = w.shareOf(c)
	}
	parts := w.parts(string(in.By))
	step, whole := until.Sub(since), true
	switch in.Every {
	case "hour":
		step, whole = time.Hour, false
	case "day":
		step, whole = 24*time.Hour, false
	}
	out := control.Usage{Since: since, Until: until, Rows: []control.UsageRow{}}
	var total tally.Sums
	for at := since.Truncate(min(step, 24*time.Hour)); at.Before(until); at = at.Add(step) {
		for i := range parts {
			sums := w.sums(at, min(step, until.Sub(at)), scale*parts[i].share, parts[i].refused)
			total.Merge(&sums)
			if in.By == "" && whole || sums.Requests == 0 && sums.Refused == 0 {
				continue
			}
			row := control.UsageRow{By: in.By, ID: parts[i].id, Name: parts[i].name, Sums: control.NewSums(&sums)}
			if !whole {
				row.At = at
			}
			out.Rows = append(out.Rows, row)
		}
		if whole {
			break
		}
	}
	out.Total = control.NewSums(&total)
	return out, nil
}

type part struct {
	id, name string
	share    float64
	refused  bool // its requests were refused
}

// shareOf is a client's share of all traffic.
func (w *World) shareOf(c *control.ClientView) float64 {
	all := 0.0
	for _, x := range w.clients {
		all += float64(x.Last30Days.Requests)
	}
	if all == 0 {
		return 0
	}
	return float64(c.Last30Days.Requests) / all
}

func (w *World) parts(by string) []part {
	var out []part
	even := func(n, i int) float64 { return float64(n-i) / float64(n*(n+1)/2) }
	switch by {
	case "":
		return []part{{share: 1}}
	case "client":
		for _, c := range w.clients {
			out = append(out, part{string(c.ID), c.Slug, w.shareOf(c), false})
		}
	case "key":
		for i, k := range w.keys {
			out = append(out, part{string(k.ID), k.Label, even(len(w.keys), i), false})
		}
	case "model":
		for i, m := range w.models {
			out = append(out, part{m.Name, m.Name, even(len(w.models), i), false})
		}
	case "upstream":
		for i, m := range w.models {
			out = append(out, part{m.UpstreamName(), m.UpstreamName(), even(len(w.models), i), false})
		}
	case "provider":
		for i, p := range w.providers {
			out = append(out, part{string(p.ID), p.Name, even(len(w.providers), i), false})
		}
	case "gateway":
		for i, g := range w.gateways {
			out = append(out, part{string(g.ID), g.Slug, even(len(w.gateways), i), false})
		}
	case "country":
		for i, c := range []string{"PT", "ES", "DE", "BR"} {
			out = append(out, part{c, c, even(4, i), false})
		}
	case "status":
		out = []part{{"200", "200", 0.96, false}, {"429", "429", 0.03, true}, {"403", "403", 0.01, true}, {"502", "502", 0.005, false}}
	case "code":
		out = []part{{"cost_limit", "cost_limit", 0.02, true}, {"client_suspended", "client_suspended", 0.008, true},
			{"model_not_allowed", "model_not_allowed", 0.004, true}, {"provider_timeout", "provider_timeout", 0.002, false}}
	}
	if len(w.records) == 0 {
		return nil
	}
	return slices.Clip(out)
}

// lull is how much more there is to see at the moment than over a month, whose
// sums are those of the clients.
const lull = 600

// sums are the sums of a share of the traffic over a span.
func (w *World) sums(at time.Time, span time.Duration, share float64, refused bool) tally.Sums {
	if len(w.traffic) == 0 {
		return tally.Sums{}
	}
	n := 0.0
	for t := at; t.Before(at.Add(span)); t = t.Add(time.Hour) {
		week := 1 - 0.35*math.Cos(2*math.Pi*float64(t.YearDay())/7)
		n += w.traffic[t.Hour()%len(w.traffic)] * 3600 * week * min(1, at.Add(span).Sub(t).Hours())
	}
	n *= share / lull
	if refused {
		return tally.Sums{Refused: int64(n)}
	}
	requests := int64(n)
	s := tally.Sums{Requests: requests, Errors: requests / 250, Sessions: requests / 9,
		Tokens: tally.Tokens{Input: requests * 610, CachedInput: requests * 120, Output: requests * 148, Reasoning: requests * 9},
		Cost:   tally.NanoUSD(requests * 2_263_000), Credits: tally.NanoUSD(requests * 2_715_600),
		FirstByte: time.Duration(requests) * 180 * time.Millisecond, Total: time.Duration(requests) * 460 * time.Millisecond}
	s.Latency[tally.LatencyBucket(410*time.Millisecond)] = requests * 95 / 100
	s.Latency[tally.LatencyBucket(900*time.Millisecond)] = requests - requests*95/100
	return s
}
