// Package providers is the port between the gateway and the upstreams that
// answer requests.
//
// A [Provider] takes a [Call], sends it to one upstream and returns a [Reply]
// in that upstream's own dialect. It rewrites what must differ upstream (the
// model's name, the granted output, the wish for usage) by splicing the raw
// body, and it reads usage from the answer as it passes. It decides nothing
// about money, order or retries: those are the gateway's.
//
// How it works: [Envelope.Peek] looks at a request once (envelope.go, fields.go,
// session.go) and [Envelope.Rewrite] edits it (rewrite.go), both over a scanner
// that walks JSON without decoding it (scan.go). An answer is read by a [Stream]
// (stream.go, event.go) or a [Whole] (whole.go; vectors.go for embeddings; an answer of
// the other form than was asked for becomes it in either.go and gather.go), which
// find in it what the gateway must know (inspect.go): which choices have ended
// (endings.go), and usage in all the spellings of usage.go, summed up as a [Report]
// (report.go). What an upstream says of a failure is read in words.go and sorted in
// faults.go. The costs that it tells are added to in cost.go, and hidden in hide.go
// from those who must not see them.
//
// Implementations live in folders below this one and never import each other;
// providers/transport connects those that need a network, and
// providers/providertest is the suite they all pass.
package providers

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"tallygate/engine/tally"
)

// Endpoint is a family of the public plane that a call belongs to.
type Endpoint string

// The endpoints, by their path below the base URL.
const (
	Chat        Endpoint = "chat/completions"
	Completions Endpoint = "completions"
	Embeddings  Endpoint = "embeddings"
)

// Call is one attempt at one upstream.
type Call struct {
	Endpoint Endpoint
	Envelope *Envelope // the client's request; the provider must not change it
	Model    string    // what the upstream calls the model
	// MaxOutput is the output granted per choice. It must bound what the upstream
	// generates. It is 0 on endpoints without output, and where nothing bounds the output
	// but the model.
	MaxOutput int64
	// BoundExtras is whether to send the bounds of extras that were held.
	BoundExtras bool
	Stream      bool
	// KeepUsage is whether the client asked for the usage event of a stream;
	// otherwise the provider drops that event again.
	KeepUsage bool
	// OnlyJSON is whether events whose data is not JSON are dropped: they may hold an
	// upstream's words about an error, which this caller must not read.
	OnlyJSON  bool
	RequestID string
	// Hops is how many gateways the request has passed before this one.
	Hops int
}

// HopsHeader tells another gateway how many there were before it, so that those
// which lead back to each other find out.
const HopsHeader = "X-Tallygate-Hops"

// Reply is an upstream's answer. The caller must close Body.
type Reply struct {
	Status int
	// Header holds what the gateway may pass on: Content-Type. It may be shared
	// between replies and must not be changed.
	Header http.Header
	Stream bool // the body is a stream of server-sent events
	// RequestID is how the upstream calls the request; "" if it does not say.
	RequestID string
	Body      Body
}

// Body is an answer's bytes, read once by one goroutine.
//
// What Report, UsageAt, Delivered and Final say concerns what Next has
// returned so far. Close may be called at any time by the reader; an answer
// closed before its end is canceled upstream.
type Body interface {
	// Next returns the next bytes of the answer, which are valid until the next
	// call of Next or Close. Of a stream it returns what has arrived, in whole
	// events only, so that a cut never tears one, and at least one event. An
	// answer in JSON is returned whole, in one piece, so that it can be settled
	// before its first byte is passed on.
	//
	// After the end it returns io.EOF. An answer that ends early is an
	// *UpstreamError, after every whole event was returned.
	Next() ([]byte, error)
	Close() error
	// Report sums up what the upstream has said of the call so far. It is complete
	// after EOF, and what it says after an error has been used all the same.
	Report() Report
	// UsageAt says where the bytes that Next last returned hold the usage
	// object, so that [TellCost] or [HideCosts] can put the cost into it; to is
	// 0 if they hold none that the client is to see. They never hold two.
	UsageAt() (from, to int)
	// Delivered estimates the output tokens in the bytes that Next has
	// returned, for an answer without a report. It never counts less than one
	// for every event with content.
	Delivered() int64
	// Final reports where in the bytes that Next last returned the end marker
	// of the stream ("data: [DONE]") starts; -1 if it is not there. The gateway
	// withholds it until the request is settled. A stream that was complete but
	// had no marker gets one. Nothing follows it but io.EOF.
	Final() int
}

// ModelInfo is a model as an upstream lists it.
type ModelInfo struct {
	Name            string
	Mode            string // chat, embedding…, where the upstream tells
	ContextTokens   int64
	MaxOutputTokens int64
	Prices          []tally.Price // where the upstream tells them
	// PriceProblem is why a price that the upstream tells cannot be used; "" if
	// there is none, or nothing wrong with it.
	PriceProblem string
}

// Provider is an upstream account. Its methods may be called concurrently.
type Provider interface {
	// Do sends a call and returns once the answer's head is there, or an
	// *UpstreamError. An answer of status 400 or more is an *UpstreamError too:
	// its body has been read. Canceling ctx ends the answer's body as well.
	Do(ctx context.Context, c Call) (*Reply, error)
	// Models lists what the upstream offers.
	Models(ctx context.Context) ([]ModelInfo, error)
	// Close gives back idle connections. Calls under way go on.
	Close() error
}

// Fault says what went wrong with an upstream, and so what comes next.
type Fault string

// The faults.
const (
	Unreachable Fault = "unreachable" // no connection, or it broke before the answer
	TimedOut    Fault = "timeout"     // connect, first byte, or between two chunks
	BadAnswer   Fault = "bad_answer"  // not what its dialect allows, too large, or cut short
	Busy        Fault = "busy"        // 429 of rate, or 503: another provider may answer
	OutOfQuota  Fault = "quota"       // 402, or 429 of quota: the account is used up
	BadKey      Fault = "auth"        // 401, or another 4xx that speaks of the key
	ServerError Fault = "server"      // another 5xx, or an error of no known kind inside an answer
	Refused     Fault = "refused"     // 400, 413, 422, or 403 of moderation: the request itself; passed on as it is
	NotHere     Fault = "not_here"    // another 4xx: the model, the region, a firewall; passed on unless another provider answers
	TooLarge    Fault = "too_large"   // 429 of a request that is larger than the account may ever send there
	NoFiles     Fault = "no_files"    // this process, or its machine, has no file descriptors left: no fault of the upstream's
	Gone        Fault = "canceled"    // our caller went away
)

// UpstreamError is why a call failed. Its text names no credential.
type UpstreamError struct {
	Fault  Fault
	Status int // the upstream's, 0 without an answer
	// RetryAfter is how long the upstream asks to be left alone; 0 if it does
	// not say.
	RetryAfter time.Duration
	// Told is whether the stream itself has told of the error, in an event behind
	// others.
	Told bool
	// Ended is whether the upstream has ended the answer itself, with an error in it or
	// without what makes it one: what it says that was used is its last word.
	Ended bool
	// Free is whether there is proof that the upstream charges nothing for the
	// call: nothing was sent, or it was refused, or the upstream says so.
	Free bool
	// Said is what a refusal says that was used; nil if it says nothing, as nearly all
	// do.
	Said *Report
	// Words are the upstream's own. They may quote a prompt or name an account; a key
	// in them was replaced by [KeyMark].
	Words Words
	// RequestID is how the upstream calls the request; "" if it does not say.
	RequestID string
	Err       error
}

// Words is what an upstream says of a refusal or an error, whatever the shape it
// says it in.
type Words struct {
	Message, Type, Code, Param string
}

func (e *UpstreamError) Error() string {
	s := "upstream: " + string(e.Fault)
	if e.Status != 0 {
		s += " (status " + strconv.Itoa(e.Status) + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *UpstreamError) Unwrap() error { return e.Err }

// Retryable reports whether another provider may do better.
func (e *UpstreamError) Retryable() bool { return e.Fault != Refused && e.Fault != Gone }

// Config is what a provider is made from.
type Config struct {
	Provider *tally.Provider
	APIKeys  []string // in order; empty for an upstream that wants none
}

// Kind describes a preset: a kind of provider the owner can choose.
type Kind struct {
	Name    tally.ProviderKind
	Title   string // "OpenAI", for people
	BaseURL string // default; "" must be given
	// EnvKey is the environment variable that usually holds the API key; ""
	// for kinds that need none.
	EnvKey string
	// Local kinds run on the owner's machine and cost nothing: their models
	// have an explicit price of 0.
	Local bool
	// Publisher is the price book's name for the kind's models; "" if it sells
	// other publishers' models at its own prices.
	Publisher string
	// StopsBilling is whether an upstream of this kind is documented to stop billing
	// when a stream is closed; otherwise one that nobody reads any more is read to
	// its end. TokensPerSecond is the fastest that its models write; 0 is not known.
	StopsBilling    bool
	TokensPerSecond int64
	// CostBy says whose figure is the cost where such an upstream tells its own, ""
	// the larger.
	CostBy tally.CostBy
	New    func(Config) (Provider, error)
}
