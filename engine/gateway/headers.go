package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// Header values that all answers share; nobody changes them.
var (
	jsonType    = []string{"application/json"}
	closing     = []string{"close"}
	noCache     = []string{"no-cache"}
	noStore     = []string{"no-store"} // of what a credential may read
	noBuffering = []string{"no"}       // nginx would hold events back
	costTrailer = []string{"X-Tallygate-Cost-Usd"}
	varyOrigin  = []string{"Origin"}
	anyOrigin   = []string{"*"} // of what is public and needs no credential
	exposed     = []string{strings.Join([]string{
		"x-request-id", "retry-after", "x-should-retry",
		"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
		"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens",
		"x-tallygate-provider", "x-tallygate-model", "x-tallygate-cost-usd", "x-tallygate-dropped",
		"x-tallygate-soft-landing", "x-tallygate-upstream-request-id",
	}, ", ")}
)

// set sets a field of the answer's head. The values of one answer share an
// array: there are a dozen of them.
func (x *exchange) set(name, value string) {
	if x.values == nil {
		x.values = make([]string, 0, 12)
	}
	x.values = append(x.values, value)
	n := len(x.values)
	x.w.Header()[name] = x.values[n-1 : n : n]
}

// tellUpstreamID tells how the upstream calls the request.
func (x *exchange) tellUpstreamID(id string) {
	if id != "" && !x.principal.Visitor {
		x.set("X-Tallygate-Upstream-Request-Id", id)
	}
}

// head fills in the head of an upstream's answer, all but its cost.
func (x *exchange) head(reply *providers.Reply) http.Header {
	h := x.w.Header()
	h["Content-Type"] = reply.Header["Content-Type"]
	if x.template == nil { // which model speaks its words is the template's affair
		x.set("X-Tallygate-Provider", x.target.Upstream.Config.Name)
		x.set("X-Tallygate-Model", x.target.Model.Name)
	}
	if dropped := x.form.dropped; dropped != "" {
		x.set("X-Tallygate-Dropped", dropped)
	}
	if x.principal.Visitor {
		return h // what the owner allows is not for every reader of a page
	}
	x.tellUpstreamID(reply.RequestID)
	x.rateLimit(tally.Requests, "X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests")
	x.rateLimit(tally.TokensIO, "X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens")
	return h
}

// rateLimit tells of the tightest limit on a metric. The reset is a length of
// time in OpenAI's way of writing it, "6m0s"; a limit in total has none.
func (x *exchange) rateLimit(m tally.Metric, limit, remaining, reset string) {
	charge, left, ok := x.ticket.Room(m)
	if !ok {
		return
	}
	x.set(limit, strconv.FormatInt(charge.Max, 10))
	x.set(remaining, strconv.FormatInt(left, 10))
	if charge.Period.Ends() {
		x.set(reset, max(charge.Period.End.Sub(x.at).Truncate(time.Second), time.Second).String())
	}
}
