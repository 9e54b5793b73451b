package tally

import (
	"math"
	"time"
)

// Bucket is the length of the finest rollup: every offset of every zone in use
// is a multiple of it, so civil hours and days are sums of whole buckets.
const Bucket = 15 * time.Minute

// LatencyBuckets is the number of classes of [Sums.Latency].
const LatencyBuckets = 32

// LatencyBucket returns the class of a latency: class i ends at √2^i
// milliseconds, the last has no end (√2^30 ms is 33 s).
func LatencyBucket(d time.Duration) int {
	for i, top := range latencyTops {
		if d <= top {
			return i
		}
	}
	return LatencyBuckets - 1
}

// LatencyBounds are what the latencies of a class lie between: above bottom, and up to
// top. Those of the last class, which has no end, stand at its beginning.
func LatencyBounds(i int) (bottom, top time.Duration) {
	if i > 0 {
		bottom = latencyTops[i-1]
	}
	return bottom, latencyTops[min(i, len(latencyTops)-1)]
}

// latencyTops are √2^i ms, rounded to microseconds.
var latencyTops = [LatencyBuckets - 1]time.Duration{
	1000e3, 1414e3, 2000e3, 2828e3, 4000e3, 5657e3, 8000e3, 11314e3, 16000e3, 22627e3, 32000e3, 45255e3, 64000e3, 90510e3, 128000e3, 181019e3,
	256000e3, 362039e3, 512000e3, 724077e3, 1024000e3, 1448155e3, 2048000e3, 2896309e3, 4096000e3, 5792619e3, 8192000e3, 11585238e3, 16384000e3, 23170475e3, 32768000e3,
}

// Sums adds up records: a row of a rollup.
type Sums struct {
	Requests int64   `json:"requests"`
	Refused  int64   `json:"refused"`
	Errors   int64   `json:"errors"`
	Sessions int64   `json:"sessions"`
	Tokens   Tokens  `json:"tokens"`
	Cost     NanoUSD `json:"cost_nano_usd"`
	Credits  NanoUSD `json:"credits_nano_usd"`
	// FirstByte and Total are sums over the requests that were answered, so an
	// average is the sum over Latency's count.
	FirstByte time.Duration `json:"first_byte_ns"`
	Total     time.Duration `json:"total_ns"`
	// Uncounted of the requests failed at no cost, and are not counted by limits.
	Uncounted int64 `json:"uncounted,omitempty"`
	// Cut answers ended where a limit said so; Waited requests waited for room at
	// least a second, for Waiting in all.
	Cut     int64         `json:"cut,omitempty"`
	Waited  int64         `json:"waited,omitempty"`
	Waiting time.Duration `json:"waiting_ns,omitempty"`
	// Billed is what upstreams say they have charged, and Listed what our prices
	// come to for the same requests.
	Billed  NanoUSD               `json:"billed_nano_usd,omitempty"`
	Listed  NanoUSD               `json:"listed_nano_usd,omitempty"`
	Saved   NanoUSD               `json:"saved_nano_usd,omitempty"` // by caches of prompts
	Funds   NanoUSD               `json:"funds_nano_usd,omitempty"` // paid or given in advance
	Latency [LatencyBuckets]int64 `json:"latency"`
}

// NumFigures is how many figures a row has beside the latencies.
const NumFigures = 26

// Figures are the places of a row's figures beside the latencies. Their order is
// kept on disk: new ones go to the end.
func (s *Sums) Figures() [NumFigures]*int64 {
	t := &s.Tokens
	return [NumFigures]*int64{
		&s.Requests, &s.Refused, &s.Errors, &s.Sessions,
		&t.Input, &t.CachedInput, &t.CacheWrite, &t.Output, &t.Reasoning,
		(*int64)(&s.Cost), (*int64)(&s.Credits), (*int64)(&s.FirstByte), (*int64)(&s.Total),
		&t.CacheWriteLong, &t.AudioInput, &t.ImageInput, &t.AudioOutput, &t.ImageOutput,
		&s.Uncounted, &s.Cut, &s.Waited, (*int64)(&s.Waiting), (*int64)(&s.Billed), (*int64)(&s.Listed), (*int64)(&s.Saved),
		(*int64)(&s.Funds),
	}
}

// longWait is a wait that its owner may want to know of.
const longWait = time.Second

// Count adds a record.
func (s *Sums) Count(r *Record) {
	if r.Outcome.Refused() {
		s.Refused += r.Count
		return
	}
	if r.Entry != nil {
		add(&s.Cost, r.Cost)
		add(&s.Credits, r.Credits)
		add(&s.Funds, r.Entry.Funds)
		return
	}
	s.Requests++
	if r.Outcome.Failed() {
		s.Errors++
	}
	if r.Uncounted {
		s.Uncounted++
	}
	if r.NewSession {
		s.Sessions++
	}
	if r.Cut {
		s.Cut++
	}
	if r.Waited >= longWait {
		s.Waited++
		s.Waiting += r.Waited
	}
	s.Tokens = s.Tokens.Add(r.Tokens)
	add(&s.Cost, r.Cost)
	add(&s.Credits, r.Credits)
	add(&s.Saved, r.Saved)
	if r.Billed != nil {
		add(&s.Billed, *r.Billed)
		add(&s.Listed, r.Listed)
	}
	if r.Outcome == OK {
		s.FirstByte += r.FirstByte
		s.Total += r.Total
		s.Latency[LatencyBucket(r.Total)]++
	}
}

func add(to *NanoUSD, n NanoUSD) { *to = NanoUSD(AddSat(int64(*to), int64(n))) }

// Merge adds other sums.
func (s *Sums) Merge(o *Sums) {
	from := o.Figures()
	for i, to := range s.Figures() {
		*to = AddSat(*to, *from[i])
	}
	for i, n := range o.Latency {
		s.Latency[i] += n
	}
}

// Unmerge takes away sums that were merged.
func (s *Sums) Unmerge(o *Sums) {
	from := o.Figures()
	for i, to := range s.Figures() {
		*to -= *from[i]
	}
	for i, n := range o.Latency {
		s.Latency[i] -= n
	}
}

// Amounts is what the rows add up to of each metric: the same figure as the
// sum of [Record.Amounts] over their records.
func (s *Sums) Amounts() Amounts {
	return Amounts{s.Requests - s.Uncounted, s.Tokens.Total(), int64(s.Cost), int64(s.Credits), s.Sessions, AddSat(int64(s.Credits), -int64(s.Funds))}
}

// Quantile estimates the q-quantile of the latency (0 < q ≤ 1): the latencies of a
// class count as spread evenly over it, so the estimate lies in the class that the
// ⌈q·n⌉-th of n lies in. It is 0 without requests, and at most 33 s, which stands for
// all that took longer.
func (s *Sums) Quantile(q float64) time.Duration {
	var n, before int64
	for _, c := range s.Latency {
		n += c
	}
	rank := q * float64(n)
	for i, c := range s.Latency {
		if c > 0 && float64(before+c) >= rank {
			share := max(rank-float64(before), 0) / float64(c)
			bottom, top := LatencyBounds(i)
			return bottom + time.Duration(math.Round(share*float64(top-bottom)))
		}
		before += c
	}
	return 0
}

// Family is one way of breaking usage down: a rollup is kept per family.
type Family string

// The families. A pair is written as its two parts in order.
const (
	ByTotal          Family = "total"
	ByGateway        Family = "gateway"
	ByClient         Family = "client"
	ByKey            Family = "key"
	ByModel          Family = "model"
	ByProvider       Family = "provider"
	ByToken          Family = "token"
	ByClientModel    Family = "client_model"
	ByClientStatus   Family = "client_status"
	ByClientCode     Family = "client_code"
	ByGatewayCode    Family = "gateway_code"
	ByGatewayCountry Family = "gateway_country"
	ByTokenCode      Family = "token_code"
	ByTokenCountry   Family = "token_country"
	ByUpstream       Family = "upstream" // the model as the provider calls it
	// ByFailure counts attempts that failed, by provider and cause: a record counts
	// once for each. Only the number of requests means something there.
	ByFailure Family = "failure"
	// ByLimit counts refusals by limits that were used up, by whose they are and by which
	// of them in which period, as [Record.UsedUp] has it.
	ByLimit Family = "limit"
	// ByProviderModel is what each provider's model answered. Requests that no provider
	// was asked for are in none of its rows.
	ByProviderModel Family = "provider_model"
	ByClientTag     Family = "client_tag" // by each KEY=VALUE of a request
	ByKeyModel      Family = "key_model"
	// ByClientSession is by the sessions of clients, and knows whole UTC days only: an edge
	// within one counts from its beginning. Sessions beyond those that are told apart on a
	// day are one, [OtherTag].
	ByClientSession Family = "client_session"
)

// Families lists all families. The position of one is part of its keys on disk:
// new ones go to the end.
var Families = []Family{ByTotal, ByGateway, ByClient, ByKey, ByModel, ByProvider, ByToken, ByClientModel,
	ByClientStatus, ByClientCode, ByGatewayCode, ByGatewayCountry, ByTokenCode, ByTokenCountry, ByUpstream, ByFailure,
	ByLimit, ByProviderModel, ByClientTag, ByKeyModel, ByClientSession}

// Days reports whether the family knows whole UTC days only.
func (f Family) Days() bool { return f == ByClientSession }

// Dim is a value of a family; single families leave the second part empty.
type Dim [2]string

// Dims calls yield with the values that the family has for a record, once for each time
// the record counts there: most families have one, or do not apply.
func (f Family) Dims(r *Record, yield func(Dim)) {
	switch f {
	case ByClientTag:
		for tags := r.Tags; r.Client != "" && tags != ""; {
			var tag string
			if tag, tags = tags.Cut(); tag != otherSession {
				yield(Dim{string(r.Client), tag})
			}
		}
		return
	case ByFailure:
		for i := range r.Tries {
			if a := &r.Tries[i]; a.Cause != "" {
				yield(Dim{string(a.Provider), a.Cause})
			}
		}
		return
	}
	if dim, ok := f.dim(r); ok {
		yield(dim)
	}
}

func (f Family) dim(r *Record) (Dim, bool) {
	one := func(a string) (Dim, bool) { return Dim{a}, a != "" }
	two := func(a, b string) (Dim, bool) { return Dim{a, b}, a != "" && b != "" }
	switch f {
	case ByTotal:
		return Dim{}, true
	case ByGateway:
		return one(string(r.Gateway))
	case ByClient:
		return one(string(r.Client))
	case ByKey:
		return one(string(r.Key))
	case ByModel:
		return one(r.Model)
	case ByProvider:
		return one(string(r.Provider))
	case ByToken:
		return one(r.Token)
	case ByClientModel:
		return two(string(r.Client), r.Model)
	case ByProviderModel:
		return two(string(r.Provider), r.Model)
	case ByKeyModel:
		return two(string(r.Key), r.Model)
	case ByClientSession:
		return two(string(r.Client), r.SessionRow())
	case ByClientStatus:
		return two(string(r.Client), StatusText(r.Status))
	case ByClientCode:
		return two(string(r.Client), r.Code)
	case ByGatewayCode:
		return two(string(r.Gateway), r.Code)
	case ByGatewayCountry:
		return two(string(r.Gateway), r.Country)
	case ByTokenCode:
		return two(r.Token, r.Code)
	case ByTokenCountry:
		return two(r.Token, r.Country)
	case ByUpstream:
		return one(r.Upstream)
	case ByLimit:
		return r.UsedUp()
	}
	return Dim{}, false
}

// StatusText writes an HTTP status, "" for what is none, and allocates nothing for the
// usual one.
func StatusText(code int) string {
	if code == 200 {
		return "200"
	}
	if code < 100 || code > 999 {
		return ""
	}
	return string([]byte{byte('0' + code/100), byte('0' + code/10%10), byte('0' + code%10)})
}
