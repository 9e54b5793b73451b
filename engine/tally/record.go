package tally

import (
	"slices"
	"time"
)

// Outcome is how a request ended.
type Outcome string

// The outcomes. Denied and limited requests were refused before they cost
// anything; they count as refused, never as requests.
const (
	OK             Outcome = "ok"
	OutcomeDenied  Outcome = "denied"   // credential, status, origin, model
	OutcomeLimited Outcome = "limited"  // a limit
	OutcomeFailed  Outcome = "upstream" // every provider failed, or the stream broke
	Canceled       Outcome = "canceled" // the client went away; what was delivered is billed
	Lost           Outcome = "lost"     // tallygate stopped before it knew; settled at the held bound
	Booked         Outcome = "booked"   // no request: an entry of the book of money
)

// Refused reports whether the outcome is a refusal.
func (o Outcome) Refused() bool { return o == OutcomeDenied || o == OutcomeLimited }

// Failed reports whether the outcome counts as an error.
func (o Outcome) Failed() bool { return o == OutcomeFailed || o == Lost }

// Basis says how well the tokens of a record are known.
type Basis string

// The bases.
const (
	Exact     Basis = "exact"     // the upstream reported them
	Estimated Basis = "estimated" // counted from the bytes delivered
	Held      Basis = "held"      // what was held: nobody can tell, and it may have been used
)

// Attempt is one call of a request that was sent to an upstream.
type Attempt struct {
	Provider ID     `json:"provider"`
	Upstream string `json:"upstream,omitempty"` // the model as it was asked
	Price    ID     `json:"price,omitempty"`    // the row it was priced by
	Basis    Basis  `json:"basis,omitempty"`    // of its tokens; "" if it is proven to have cost nothing
	Tokens   Tokens `json:"tokens"`
	// Pieces is how many of Piece it is billed for beside tokens.
	Piece  Piece   `json:"piece,omitempty"`
	Pieces int64   `json:"pieces,omitempty"`
	Cost   NanoUSD `json:"cost_nano_usd"`
	Saved  NanoUSD `json:"saved_nano_usd,omitempty"` // by the upstream's cache; see [Record.Saved]
	Status int     `json:"status,omitempty"`         // the upstream's, 0 without an answer
	Cause  string  `json:"cause,omitempty"`          // why it failed, a code; "" if it answered
	Code   string  `json:"code,omitempty"`           // the upstream's own code of the error, or its type
	// Detail says what went wrong: the upstream's words, in quotes, or ours. They may
	// quote a prompt, so a store keeps them apart from the record, and forgets them
	// first ([KeptDetails]).
	Detail string `json:"detail,omitempty"`
	// Request is how the upstream calls the call; "" if it does not say.
	Request string `json:"request,omitempty"`
	// Key is which of the provider's API keys was used, by its place from 1 on; 0 if it is
	// not known.
	Key int `json:"key,omitempty"`
	// Took is from its start to its end.
	Took time.Duration `json:"took_ns,omitempty"`
}

// KeptDetails is how long the details of failed attempts are kept.
const KeptDetails = 7 * 24 * time.Hour

// HasDetail reports whether one of the attempts has a detail.
func (r *Record) HasDetail() bool {
	return slices.ContainsFunc(r.Tries, func(a Attempt) bool { return a.Detail != "" })
}

// Failure is an attempt that failed, and when.
type Failure struct {
	At      time.Time `json:"at"`
	Request ID        `json:"request"`
	Attempt Attempt   `json:"attempt"`
}

// Reached is the limit that a request was refused for, as it was then. Used, Held, Need and
// Max are in the metric's unit; Need is the least that the request could do with.
type Reached struct {
	Subject Subject `json:"subject"`
	Metric  Metric  `json:"metric,omitempty"` // "" for requests at the same time
	Window  string  `json:"window,omitempty"` // the period's label
	Used    int64   `json:"used"`
	Held    int64   `json:"held"` // by requests in flight
	Need    int64   `json:"need"`
	Max     int64   `json:"max"`
	// Resets is when the period ends; zero if it does not.
	Resets time.Time `json:"resets,omitzero"`
}

// UsedUp tells which limit a refusal was for, if that was used up: whose, and its metric
// and period, as [LimitPeriod] writes them. What only requests in flight held, a request
// that is more than the whole limit, the limits of single visitors and sessions and those of a
// minute, which are over before an owner could look, are no such refusals.
func (r *Record) UsedUp() (Dim, bool) {
	x := r.Reached
	if x == nil || x.Metric == "" || r.Code == CodeRate || r.Code == CodeVisitorQuota {
		return Dim{}, false
	}
	if of, label, part := x.Subject.Part(); part && PartFamily(of, label) == "" {
		return Dim{}, false
	}
	if x.Used < x.Max && (x.Need > x.Max && x.Metric != Balance || AddSat(x.Used, x.Need) <= x.Max) {
		return Dim{}, false
	}
	return Dim{string(x.Subject), LimitPeriod(x.Metric, x.Window)}, true
}

// LimitPeriod names a limit in one of its periods: "cost m2026-11-01".
func LimitPeriod(m Metric, label string) string { return string(m) + " " + label }

// Charged is what a request did to one counter that limits it.
type Charged struct {
	Subject Subject `json:"subject"`
	Metric  Metric  `json:"metric"`
	Window  string  `json:"window"` // the period's label
	Amount  int64   `json:"amount"`
	Used    int64   `json:"used"` // of the counter, once this request was settled
	Max     int64   `json:"max"`  // of the limit at admission
}

// Record is the log entry of one request, or of a change of money that is none. It never holds a prompt, an answer,
// a credential or a whole visitor address.
type Record struct {
	ID  ID     `json:"id"`
	Seq uint64 `json:"seq"` // dense over all records of a store, or of a node of several, from 1
	// Node is the node that has served it, if that is another one than the one that tells of it.
	Node       string    `json:"node,omitempty"`
	At         time.Time `json:"at"` // admission
	Gateway    ID        `json:"gateway,omitempty"`
	Client     ID        `json:"client,omitempty"`
	Key        ID        `json:"key,omitempty"`
	Provider   ID        `json:"provider,omitempty"` // the one that answered, or was tried last
	Token      string    `json:"token,omitempty"`    // name of the access token
	Session    string    `json:"session,omitempty"`  // keyed hash
	NewSession bool      `json:"new_session,omitempty"`
	// SessionEnds is when the session ends unless it is seen again.
	SessionEnds time.Time `json:"session_ends,omitzero"`
	Origin      string    `json:"origin,omitempty"`
	Country     string    `json:"country,omitempty"`
	Endpoint    string    `json:"endpoint,omitempty"`
	Model       string    `json:"model,omitempty"`    // as the client asked
	Upstream    string    `json:"upstream,omitempty"` // as the provider was asked
	VisitorNet  string    `json:"visitor_net,omitempty"`
	Visitor     []byte    `json:"visitor,omitempty"`
	Charges     []Charged `json:"charges,omitempty"`
	Attempts    int       `json:"attempts,omitempty"`
	// Tries are the attempts in their order, if one of them failed. What they used
	// and cost is in Tokens and Cost.
	Tries   []Attempt `json:"tries,omitempty"`
	Status  int       `json:"status"` // HTTP status the client got; 499 if it left before one was sent
	Outcome Outcome   `json:"outcome"`
	Stream  bool      `json:"stream"`
	Basis   Basis     `json:"basis,omitempty"`
	Tokens  Tokens    `json:"tokens"`
	// Pieces is how many of Piece it is billed for beside tokens: searches, images, characters, seconds.
	Piece   Piece   `json:"piece,omitempty"`
	Pieces  int64   `json:"pieces,omitempty"`
	Cost    NanoUSD `json:"cost_nano_usd"`
	Credits NanoUSD `json:"credits_nano_usd"`
	// Saved is what the upstream's cache of prompts has saved: what its tokens would have
	// cost as plain ones, less what they have cost. It is below zero where more was written
	// into the cache than read.
	Saved NanoUSD `json:"saved_nano_usd,omitempty"`
	// Billed is what the upstream itself says it has charged, nil if it says
	// nothing; Listed is then what our prices come to. Which of them is the cost
	// is the provider's setting.
	Billed *NanoUSD `json:"billed_nano_usd,omitempty"`
	Listed NanoUSD  `json:"listed_nano_usd,omitempty"`
	// Price is the row that the answer was priced by; Tier the one that the caller
	// asked to be served by; Answered the model that the upstream says has
	// answered, if that is not the one it was asked for.
	Price    ID     `json:"price,omitempty"`
	Tier     Tier   `json:"tier,omitempty"`
	Answered string `json:"answered,omitempty"`
	// Asked is the model that the client asked for, if the owner's rule has put Model in its
	// place ([Landing]).
	Asked     string        `json:"asked,omitempty"`
	Waited    time.Duration `json:"waited_ns,omitempty"` // for room, before it was admitted
	FirstByte time.Duration `json:"first_byte_ns"`
	Total     time.Duration `json:"total_ns"`
	Code      string        `json:"code,omitempty"` // of the error the client got
	// Reason is the sentence that a caller was refused with, and Reached the limit, if
	// it was one.
	Reason  string   `json:"reason,omitempty"`
	Reached *Reached `json:"reached,omitempty"`
	// Request is how the upstream that answered calls the request; "" if it does not
	// say.
	Request string `json:"upstream_request,omitempty"`
	// Trace is the caller's, by its traceparent: 32 hexadecimal digits, "" if it sent none.
	Trace string `json:"trace,omitempty"`
	// Tags mark the request; only those of clients have any.
	Tags Tags `json:"tags,omitempty"`
	// Cut is whether the answer ended at a length that a limit allowed, and not at
	// what the caller asked for.
	Cut bool `json:"cut,omitempty"`
	// Uncounted is whether the request failed at no cost, and so does not count
	// where requests are limited.
	Uncounted bool `json:"uncounted,omitempty"`
	// Entry makes the record one of the book of money, and none of a request.
	Entry *Entry `json:"entry,omitempty"`
	// Count is how many events the record stands for: 1, or for refusals all
	// like it within the minute that were not recorded one by one.
	Count int64 `json:"count"`
}

// RecordKind is a kind of record that its owner may keep for less long than the others. A
// record can be of several.
type RecordKind uint8

// The kinds.
const (
	RefusalRecords RecordKind = iota // requests that were refused
	VisitorRecords                   // requests of a website's visitors
	NumRecordKinds
)

// IsOf reports whether the record is of a kind.
func (r *Record) IsOf(k RecordKind) bool {
	if k == RefusalRecords {
		return r.Outcome.Refused()
	}
	return r.Token != "" || len(r.Visitor) > 0
}

// Amounts is what the request used of each metric. It is the one place that
// says how a record is counted; ledgers, rollups and verification all use it.
func (r *Record) Amounts() Amounts {
	if r.Outcome.Refused() {
		return Amounts{}
	}
	if r.Entry != nil {
		return Amounts{2: int64(r.Cost), 3: int64(r.Credits), 5: AddSat(int64(r.Credits), -int64(r.Entry.Funds))}
	}
	a := Amounts{1, r.Tokens.Total(), int64(r.Cost), int64(r.Credits), 0, int64(r.Credits)}
	if r.Uncounted {
		a[0] = 0
	}
	if r.NewSession {
		a[4] = 1
	}
	return a
}

// Subjects are the subjects whose counters the record counts on, parts excepted.
func (r *Record) Subjects() []Subject {
	out := make([]Subject, 0, 4)
	for _, s := range r.named() {
		if s.id != "" {
			out = append(out, SubjectOf(s.kind, s.id))
		}
	}
	return out
}

// Names reports whether the record counts on the counters of s, without making Subjects: s
// is one of them, or a part of one that the record names.
func (r *Record) Names(s Subject) bool {
	if r.NamesPart(s) {
		return true
	}
	for _, n := range r.named() {
		if n.id != "" && s.Is(n.kind, n.id) {
			return true
		}
	}
	return false
}

type named struct {
	kind string
	id   ID
}

func (r *Record) named() [4]named {
	return [...]named{{"gateway", r.Gateway}, {"client", r.Client}, {"key", r.Key}, {"token", ID(r.Token)}}
}
