package control

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// RequestView is a record for people and scripts.
type RequestView struct {
	ID           tally.ID      `json:"id"`
	Seq          uint64        `json:"seq"`            // by node
	Node         string        `json:"node,omitempty"` // that has served it, if it is not the one that answers
	At           time.Time     `json:"at"`
	Gateway      string        `json:"gateway,omitempty"` // slug
	Client       string        `json:"client,omitempty"`  // slug
	ClientName   string        `json:"client_name,omitempty"`
	Key          string        `json:"key,omitempty"` // label
	KeyID        tally.ID      `json:"key_id,omitempty"`
	Model        string        `json:"model,omitempty"`
	Upstream     string        `json:"upstream_model,omitempty"`
	Provider     string        `json:"provider,omitempty"` // name
	Endpoint     string        `json:"endpoint,omitempty"`
	Origin       string        `json:"origin,omitempty"`
	Country      string        `json:"country,omitempty"`
	Token        string        `json:"token,omitempty"`       // id of the access token
	VisitorNet   string        `json:"visitor_net,omitempty"` // network of the visitor's address
	Visitor      string        `json:"visitor,omitempty"`     // keyed hash of it
	Session      string        `json:"session,omitempty"`
	NewSession   bool          `json:"new_session,omitempty"`
	Status       int           `json:"status"`
	Outcome      tally.Outcome `json:"outcome"`
	Stream       bool          `json:"stream"`
	Basis        tally.Basis   `json:"basis,omitempty"`
	InputTokens  int64         `json:"input_tokens"`
	OutputTokens int64         `json:"output_tokens"`
	Tokens       tally.Tokens  `json:"tokens"`           // by class
	Piece        tally.Piece   `json:"piece,omitempty"`  // what it is billed for beside tokens
	Pieces       int64         `json:"pieces,omitempty"` // and how many of them
	CostUSD      string        `json:"cost_usd"`
	CostNanoUSD  tally.NanoUSD `json:"cost_nano_usd"`
	CreditsUSD   string        `json:"credits_usd"`
	CreditsNano  tally.NanoUSD `json:"credits_nano_usd"`
	SavedNano    tally.NanoUSD `json:"saved_nano_usd,omitempty"` // by the provider's cache of prompts
	// Billed is what the upstream says it has charged, and listed what our prices
	// make of the same; both are there only where it says so.
	BilledUSD   string          `json:"billed_usd,omitempty"`
	BilledNano  *tally.NanoUSD  `json:"billed_nano_usd,omitempty"`
	ListedUSD   string          `json:"listed_usd,omitempty"`
	ListedNano  *tally.NanoUSD  `json:"listed_nano_usd,omitempty"`
	Price       tally.ID        `json:"price,omitempty"` // the row it was charged by
	Tier        tally.Tier      `json:"tier,omitempty"`
	Asked       string          `json:"asked_model,omitempty"` // that the client asked for, where a soft landing has put Model in its place
	Answered    string          `json:"answered,omitempty"`    // the model that the upstream says has answered, if not the one it was asked for
	WaitedMS    float64         `json:"waited_ms,omitempty"`   // for room, before it was admitted
	FirstByteMS float64         `json:"first_byte_ms"`
	TotalMS     float64         `json:"total_ms"`
	Attempts    int             `json:"attempts,omitempty"`
	Tries       []AttemptView   `json:"tries,omitempty"`     // the attempts, if one of them failed
	Cut         bool            `json:"cut,omitempty"`       // the answer ended at a length that a limit allowed
	Uncounted   bool            `json:"uncounted,omitempty"` // it failed at no cost, and does not count where requests are limited
	Code        string          `json:"code,omitempty"`
	Reason      string          `json:"reason,omitempty"`           // the sentence it was refused with
	Reached     *tally.Reached  `json:"reached,omitempty"`          // the limit that refused it
	RequestOf   string          `json:"upstream_request,omitempty"` // how the upstream that answered calls it
	Trace       string          `json:"trace,omitempty"`            // the caller's, by its traceparent
	Tags        tally.Tags      `json:"tags,omitempty"`             // KEY=VALUE, with commas between
	Count       int64           `json:"count"`
	Charges     []tally.Charged `json:"charges,omitempty"`
}

// AttemptView is one call of a request to an upstream.
type AttemptView struct {
	Provider     string        `json:"provider"` // name
	Upstream     string        `json:"upstream_model,omitempty"`
	Price        tally.ID      `json:"price,omitempty"`
	Basis        tally.Basis   `json:"basis,omitempty"` // "" if it is proven to have cost nothing
	InputTokens  int64         `json:"input_tokens"`
	OutputTokens int64         `json:"output_tokens"`
	Tokens       tally.Tokens  `json:"tokens"`
	Piece        tally.Piece   `json:"piece,omitempty"`
	Pieces       int64         `json:"pieces,omitempty"`
	CostUSD      string        `json:"cost_usd"`
	CostNanoUSD  tally.NanoUSD `json:"cost_nano_usd"`
	Status       int           `json:"status,omitempty"` // the upstream's
	Cause        string        `json:"cause,omitempty"`  // why it failed; "" if it answered
	Code         string        `json:"code,omitempty"`   // the upstream's
	Detail       string        `json:"detail,omitempty"` // what went wrong, in the upstream's words or ours; kept for 7 days
	RequestOf    string        `json:"upstream_request,omitempty"`
	Key          int           `json:"key,omitempty"` // which of the provider's API keys was used, from 1 on, where it has several
	TookMS       float64       `json:"took_ms"`
}

// NewRequestView presents a record. The names of its gateway, client, key and
// provider are for the caller to fill in; provider names those of its attempts. What
// went wrong with them is told as long as [tally.KeptDetails] only.
func NewRequestView(r *tally.Record, now time.Time, provider func(tally.ID) string) RequestView {
	_, token := tally.SplitTokenName(r.Token)
	v := RequestView{
		ID: r.ID, Seq: r.Seq, Node: r.Node, At: r.At, KeyID: r.Key,
		Model: r.Model, Upstream: r.Upstream, Endpoint: r.Endpoint, Origin: r.Origin, Country: r.Country,
		Token: token, VisitorNet: r.VisitorNet, Visitor: base64.RawURLEncoding.EncodeToString(r.Visitor),
		Session: r.Session, NewSession: r.NewSession, Status: r.Status, Outcome: r.Outcome, Stream: r.Stream, Basis: r.Basis,
		InputTokens: r.Tokens.Prompt(), OutputTokens: r.Tokens.Completion(), Tokens: r.Tokens, Piece: r.Piece,
		Pieces:  r.Pieces,
		CostUSD: r.Cost.String(), CostNanoUSD: r.Cost, CreditsUSD: r.Credits.String(), CreditsNano: r.Credits,
		SavedNano: r.Saved, Asked: r.Asked,
		Price: r.Price, Tier: r.Tier, Answered: r.Answered,
		WaitedMS: inMillis(r.Waited), FirstByteMS: inMillis(r.FirstByte), TotalMS: inMillis(r.Total),
		Attempts: r.Attempts, Cut: r.Cut, Uncounted: r.Uncounted, Code: r.Code, Count: r.Count, Charges: r.Charges,
		Reason: r.Reason, Reached: r.Reached, RequestOf: r.Request, Trace: r.Trace, Tags: r.Tags,
	}
	if r.Billed != nil {
		v.BilledUSD, v.BilledNano, v.ListedUSD, v.ListedNano = r.Billed.String(), new(*r.Billed), r.Listed.String(), new(r.Listed)
	}
	for i := range r.Tries {
		v.Tries = append(v.Tries, NewAttemptView(&r.Tries[i], provider(r.Tries[i].Provider)))
	}
	if now.Sub(r.At) > tally.KeptDetails {
		v.ForgetDetails()
	}
	return v
}

// ForgetDetails removes what upstreams have said of failures.
func (v *RequestView) ForgetDetails() {
	for i := range v.Tries {
		v.Tries[i].Detail = ""
	}
}

// NewAttemptView presents an attempt at a provider of a name.
func NewAttemptView(a *tally.Attempt, provider string) AttemptView {
	return AttemptView{
		Provider: provider, Upstream: a.Upstream, Price: a.Price, Basis: a.Basis,
		InputTokens: a.Tokens.Prompt(), OutputTokens: a.Tokens.Completion(), Tokens: a.Tokens, Piece: a.Piece,
		Pieces:  a.Pieces,
		CostUSD: a.Cost.String(), CostNanoUSD: a.Cost, Status: a.Status, Cause: a.Cause, Code: a.Code, Detail: a.Detail,
		RequestOf: a.Request, Key: a.Key, TookMS: inMillis(a.Took),
	}
}

// Why says in one line why the attempt failed: "busy 429 (rate_limit): "slow down"";
// "" if it did not.
func (v *AttemptView) Why() string {
	out := strings.ReplaceAll(v.Cause, "_", " ")
	if v.Status != 0 && v.Cause != "" {
		out += " " + strconv.Itoa(v.Status)
	}
	if v.Code != "" {
		out += " (" + v.Code + ")"
	}
	if v.Detail != "" {
		out += ": " + v.Detail
	}
	return out
}

func inMillis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
