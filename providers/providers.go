// Package providers is the port between the gateway and the upstreams that
// answer requests.
//
// A [Provider] takes a [Call], whose body is in a dialect that the upstream speaks, sends
// it to that upstream and returns a [Reply] in the same dialect. It rewrites what must
// differ upstream (the model's name, the granted output, the wish for usage) by splicing
// the raw body, and it reads usage from the answer as it passes. It decides nothing about
// money, order or retries: those are the gateway's.
//
// How it works: [Envelope.Peek] looks at a request once (envelope.go, fields.go,
// session.go; content.go and items.go for what bounds its prompt) and [Envelope.Rewrite]
// edits it (rewrite.go). Both use a scanner that walks JSON without decoding it (scan.go).
// An answer is read by a [Stream] (stream.go, event.go) or by a [Whole] (whole.go;
// vectors.go for embeddings). Requests for moderation, images and sound are read as [Media]
// (media.go, form.go), and their answers passed on as they come (passing.go). An answer of
// the other form than was asked for is converted (either.go, gather.go, convert.go). Reading an answer finds what the gateway must know
// (inspect.go, inspect_dialects.go): which choices have ended (endings.go), and usage in
// all the spellings of usage.go, summed up as a [Report] (report.go). What an upstream says
// of a failure is read in words.go and sorted in faults.go. The cost that a caller pays is
// put into an answer by cost.go. The costs that an upstream tells are hidden by hide.go and
// hide_members.go from those who must not see them.
//
// Implementations live in folders below this one and never import each other;
// providers/transport connects those that need a network, and
// providers/providertest is the suite they all pass.
package providers

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers/dialect"
)

// Endpoint is a family of the public plane that a call belongs to.
type Endpoint string

// The endpoints, by their path below the base URL. Chat is where models are talked to, in
// whichever dialect: [Envelope.Dialect] says which.
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
	// Key is which of the provider's API keys is used, by its place from 0 on.
	Key int
	// MaxOutput is the output granted per choice. It must bound what the upstream
	// generates. It is 0 on endpoints without output, and where nothing bounds the output
	// but the model.
	MaxOutput int64
	// BoundExtras is whether to send the bounds of extras that were held.
	BoundExtras bool
	Stream      bool
	// KeepUsage is whether the client asked for the usage event of a stream;
	// otherwise the provider drops that event again. Only chat completions have such an
	// event.
	KeepUsage bool
	// OnlyJSON is whether events whose data is not JSON are dropped: they may hold an
	// upstream's words about an error, which this caller must not read.
	OnlyJSON  bool
	RequestID string
	// Fields are fields of the client's head that the upstream is to read, with nothing in
	// them that ends a line.
	Fields []Field
	// Hops is how many gateways the request has passed before this one.
	Hops int
	// Media is the request at an endpoint that is none of conversations or embeddings; then
	// Envelope, Stream and MaxOutput say nothing.
	Media *Media
}

// Field is a field of a head.
type Field struct{ Name, Value string }

// HopsHeader tells another gateway how many gateways the request has passed before it, so
// that gateways that lead back to each other find out.
const HopsHeader = "X-Tallygate-Hops"

// Reply is an upstream's answer. The caller must close Body.
type Reply struct {
	Status int
	// Header holds what the gateway may pass on: Content-Type. It may be shared
	// between replies and must not be changed.
	Header http.Header
	Stream bool // the body is a stream of server-sent events
	// Passing is whether the body is a [Passing]: neither such a stream of a conversation nor
	// in one piece.
	Passing bool
	// RequestID is how the upstream calls the request; "" if it does not say.
	RequestID string
	Body      Body // in the dialect of the call's envelope
}

// Body is an answer's bytes, read once by one goroutine.
//
// What Report, UsageAt, Delivered and Final say concerns what Next has
// returned so far. Close may be called at any time by the reader; an answer
// closed before its end is canceled upstream.
type Body interface {
	// Next returns the next bytes of the answer, which are valid until the next call of
	// Next or Close. Of a stream it returns what has arrived, at least one event, and only
	// whole events, so that a cut never tears one. An answer in JSON is returned in one
	// piece, so that it can be settled before its first byte is passed on.
	//
	// After the end Next returns io.EOF. An answer that ends early ends with an
	// *UpstreamError, after every whole event was returned.
	Next() ([]byte, error)
	Close() error
	// Report sums up what the upstream has said of the call so far. The report is complete
	// after EOF. What it says after an error has been used all the same.
	Report() Report
	// UsageAt says where the bytes that Next last returned hold the usage object, so that
	// [TellCost] or [HideCosts] can put the cost into it. It may be behind Final. The bytes never hold two such
	// objects. to is 0 if they hold none that the client is to see.
	UsageAt() (from, to int)
	// Delivered estimates the output tokens in the bytes that Next has returned, for an
	// answer without a report. The estimate is at least one token for every event with
	// content.
	Delivered() int64
	// Final reports where in the bytes that Next last returned the end marker of the stream
	// starts; -1 if it is not there. The marker is what tells a client that the answer is
	// complete: "data: [DONE]", or the last event that the dialect has. The gateway withholds the marker
	// until the request is settled. A stream that was complete but had no marker gets one.
	// Nothing follows the marker but io.EOF.
	Final() int
}

// ModelInfo is a model as an upstream lists it.
type ModelInfo struct {
	Name            string
	Mode            string // chat, embedding…, where the upstream tells
	ContextTokens   int64
	MaxOutputTokens int64
	Prices          []tally.Price // where the upstream tells them
	// PriceProblem is why a price that the upstream tells cannot be used; "" if the
	// upstream tells no price, or nothing is wrong with it.
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
	// without what makes it an answer. What the upstream says was used is then its last
	// word.
	Ended bool
	// Free is whether there is proof that the upstream charges nothing for the
	// call: nothing was sent, or it was refused, or the upstream says so.
	Free bool
	// Said is what a refusal says was used; nil if the refusal says nothing of that, as
	// nearly all do.
	Said *Report
	// Words are the upstream's own. They may quote a prompt or name an account; a key
	// in them was replaced by [KeyMark].
	Words Words
	// Body is the refusal as it came, in the dialect of the call; nil if it is no JSON, or
	// holds a key.
	Body []byte
	// RequestID is how the upstream calls the request; "" if it does not say.
	RequestID string
	Err       error
}

// Words is what an upstream says of a refusal or an error, in whatever shape it says so.
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

// Passing reports whether the same call may be answered in a moment: it was turned away for
// what may pass by itself, at no cost.
func (e *UpstreamError) Passing() bool {
	switch e.Fault {
	case Busy, ServerError:
		return e.Free
	case Unreachable:
		return e.Free && e.Status == 0
	}
	return false
}

// TooLong reports whether the upstream refuses a prompt because it does not fit into the
// model's context. Others may have a longer one.
func (e *UpstreamError) TooLong() bool {
	return e.Fault == TooLarge || e.Fault == Refused &&
		e.Words.Mention("context_length", "maximum context", "context window", "prompt is too long", "exceeds the context",
			"too many tokens", "input is too long")
}

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
	// KeyURL is the page where an owner makes an API key, and FreeTier whether the service
	// lets an account without money use some models within caps, by its documentation of
	// November 2026.
	KeyURL   string
	FreeTier bool
	// Local kinds run on the owner's machine and cost nothing: their models
	// have an explicit price of 0.
	Local bool
	// Publisher is the price book's name for the kind's models; "" if it sells
	// other publishers' models at its own prices.
	Publisher string
	// StopsBilling is whether an upstream of this kind is documented to stop billing when a
	// stream is closed. If it is not, a stream that nobody reads any more is read to its
	// end. TokensPerSecond is the fastest that the kind's models write; 0 if that is not
	// known.
	StopsBilling    bool
	TokensPerSecond int64
	// LeastSeconds is what a transcription is billed for at least.
	LeastSeconds int64
	// CostBy says whose figure is the cost where an upstream of this kind tells its own; ""
	// takes the larger one.
	CostBy tally.CostBy
	// Dialects are those in which an upstream of this kind has conversations, the one to
	// translate to first; nil is chat completions alone.
	Dialects []dialect.Name
	// Fields are fields of a client's head that mean something to upstreams of this kind
	// alone, as [http.CanonicalHeaderKey] writes them.
	Fields []string
	New    func(Config) (Provider, error)
}

// DialectsAt are the dialects of an upstream of this kind at a base URL, "" for the usual
// one. A service that is called what somebody's service is called, at another address than
// theirs, need not have more than the first. Programs that anybody can run are themselves
// at any address.
func (k *Kind) DialectsAt(baseURL string) []dialect.Name {
	if k.Dialects == nil {
		return chatAlone
	}
	if own := siteOf(k.BaseURL); baseURL == "" || own == "" || own == "localhost" || siteOf(baseURL) == own {
		return k.Dialects
	}
	return k.Dialects[:1]
}

// DialectNames are the names of the dialects at a base URL, for people; "" is the kind's
// own.
func (k *Kind) DialectNames(baseURL string) string {
	var names []string
	for _, d := range k.DialectsAt(baseURL) {
		names = append(names, string(d))
	}
	return strings.Join(names, ", ")
}

// ChatTo is the dialect that a chat completion is translated to at a base URL; "" if it
// passes as it is.
func (k *Kind) ChatTo(baseURL string) string {
	all := k.DialectsAt(baseURL)
	if slices.Contains(all, dialect.Chat) {
		return ""
	}
	return string(all[0])
}

var chatAlone = []dialect.Name{dialect.Chat}

// siteOf is the host of a URL without what stands before its last two names.
func siteOf(address string) string {
	_, host, _ := strings.Cut(address, "://")
	if i := strings.IndexAny(host, "/:"); i >= 0 {
		host = host[:i]
	}
	if last := strings.LastIndexByte(host, '.'); last > 0 {
		host = host[strings.LastIndexByte(host[:last], '.')+1:]
	}
	return host
}
