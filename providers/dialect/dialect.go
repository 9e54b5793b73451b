// Package dialect translates between the ways in which clients and upstreams speak of one
// conversation: chat completions, responses, messages.
//
//	client's request ──Parse──►  Request  ──Write──►  upstream's request
//	client's stream  ◄──Writer── Events   ◄──Reader── upstream's stream
//
// A dialect is four things, each in one file of its folder: it parses a request
// (parse.go), writes one (write.go), reads events (read.go) and writes events
// (answer.go). Nothing is written for a pair of dialects, and a whole answer is its events
// collected. Where client and upstream speak the same dialect nothing here is used: bytes
// pass through.
//
// The package is pure. It reads no clock and makes up no ids, which [Head] gives, and
// what it returns depends on nothing but what it is given.
//
// # How to use it
//
// A request:
//
//	req, err := client.Parse(body)                       // *Failure: what the caller did wrong
//	out, dropped, err := upstream.Write(nil, req, to)    // *Failure: what cannot be said there
//	dropped.Header()                                     // of x-tallygate-dropped
//
// An answer as a stream: bytes of the upstream are pushed in, cut anywhere, and bytes for
// the client come out.
//
//	s := dialect.Translate(upstream.Reader(), client.Writer(head))
//	out, err = s.Push(out, in)       // again and again; *Failure: what the upstream did wrong
//	out, err = s.End(out)            // the upstream's stream is over; *Failure: too early
//	out = s.Finish(out, bill)        // the ending, once it is known what is charged
//	out = s.Fail(out, failure)       // in the place of all these, once something was sent
//	out = s.Ping(out)                // against silence
//
// Push writes nothing of the events behind a failure, and after one only Fail may be
// called. As long as [Stream.Begun] is false nothing has to be taken back, and another
// upstream may be asked.
//
// A whole answer:
//
//	answer, err := dialect.ReadWhole(upstream.Reader(), body)
//	out = client.Writer(head).Whole(out, answer, bill)
//
// # What is lost
//
// Each dialect declares in a [Table] what becomes of every [Feature] of a request: it is
// carried, dropped and told, or refused by its name. The writers ask the same table.
// Fields that no dialect knows are dropped and told; a part of a conversation, a tool or
// an item of a kind that is not known is refused, since the model would answer something
// else.
package dialect

import "strings"

// Name names a dialect.
type Name string

// The dialects.
const (
	Chat      Name = "chat"      // OpenAI's chat completions
	Responses Name = "responses" // OpenAI's responses
	Messages  Name = "messages"  // Anthropic's messages
	Ollama    Name = "ollama"    // Ollama's /api/chat; for clients only
)

// Dialect is a way to speak. Implementations hold no state.
type Dialect interface {
	Name() Name
	// Parse reads a client's request. The Request may share memory with body. The error is
	// a *Failure.
	Parse(body []byte) (*Request, error)
	// Writer writes answers for a client.
	Writer(Head) Writer
	// AppendFailure appends the body of an answer that only tells of a failure; its
	// status is f.Status.
	AppendFailure(dst []byte, f *Failure) []byte
	// AppendModels appends the list of models, AppendModel one of them.
	AppendModels(dst []byte, models []Model) []byte
	AppendModel(dst []byte, m *Model) []byte
	// AppendCount appends the answer that tells of how many tokens an input has.
	AppendCount(dst []byte, tokens int64) []byte
}

// Upstream is a dialect that upstreams speak, too.
type Upstream interface {
	Dialect
	// Write appends a request for an upstream. The error is a *Failure that names, in the
	// words of the dialect that the request came from, what cannot be said.
	Write(dst []byte, r *Request, to Target) ([]byte, Dropped, error)
	// Reader reads the answer of an upstream.
	Reader() Reader
	// Table says what Write does.
	Table() *Table
}

// Target is what a request is written for.
type Target struct {
	Model string // what the upstream calls it
	// MaxOutput is the output granted, in tokens; 0 leaves it to the upstream, except in a
	// dialect that wants a bound, where the request's own or 4096 is written.
	MaxOutput int64
	Stream    bool
	// Reasons is whether the model takes wishes about its reasoning; they are dropped
	// otherwise, since other models refuse the whole request.
	Reasons bool
	// Adaptive is, in messages, whether such a model decides itself how much it thinks and
	// takes an effort, as newer ones do, in the place of a budget.
	Adaptive bool
	// ReasoningField is, in chat, the field of a message in which the upstream takes its
	// reasoning back: reasoning_content or reasoning; "" if it takes none.
	ReasoningField string
	// CallExtras is whether, in chat, the upstream gives tool calls an extra_content that it
	// wants back with them, as Gemini does.
	CallExtras bool
	// SystemFirst moves, in chat, all instructions to the begin of the conversation, for
	// upstreams whose templates take them nowhere else.
	SystemFirst bool
	// Cache is, in messages, how long the prompt is to be kept in the cache if the request
	// has no marks of its own: "5m", "1h", "" for not.
	Cache string
	// MaxField is, in chat, the field for MaxOutput; "" is max_completion_tokens.
	MaxField string
	// DropServerTools drops tools that an upstream of the client's own dialect would run,
	// instead of refusing the request: for clients that always declare them, as Codex does.
	DropServerTools bool
}

// Head is what an answer to a client is given from outside.
type Head struct {
	// ID makes the ids of the answer: letters and digits that no other answer has. The
	// dialect's prefixes are put before it.
	ID      string
	Created int64  // seconds since 1970
	Model   string // as the client is to read it
	// Input is an estimate of the prompt's tokens, for dialects that tell of them before
	// the answer begins.
	Input int64
	// Request is the client's own, for what an answer repeats of it; nil is an empty one.
	Request *Request
}

// Bill is what is told of the use of an answer.
type Bill struct {
	// Usage is what was counted, where the upstream has told nothing; nil leaves its own.
	Usage *Usage
	// Cost is in US dollars, a JSON number; "" is not told.
	Cost Number
}

// Reader reads the answer of an upstream as events. It reads one answer.
type Reader interface {
	// Push takes the next bytes of a stream, cut anywhere, and emits the events that they
	// complete. Errors are *Failure; nothing may be pushed after one.
	Push(in []byte, emit func(*Event)) error
	// End takes notice of the end of the stream. It is a *Failure if the answer is not
	// complete.
	End(emit func(*Event)) error
	// Whole reads an answer in one piece.
	Whole(body []byte, emit func(*Event)) error
}

// Writer writes one answer to a client, as a stream or whole.
type Writer interface {
	// ContentType is that of a stream.
	ContentType() string
	// Event appends what the client is to see of an event. The ending is held back.
	Event(dst []byte, e *Event) []byte
	// Finish appends the ending.
	Finish(dst []byte, b Bill) []byte
	// Fail appends the end of a stream that has failed.
	Fail(dst []byte, f *Failure) []byte
	// Ping appends something that says nothing.
	Ping(dst []byte) []byte
	// Whole appends a whole answer.
	Whole(dst []byte, a *Answer, b Bill) []byte
}

// Model is an entry of a list of models.
type Model struct {
	ID      string
	Owner   string
	Created int64 // seconds since 1970
}

// Dropped are the fields of a request, in the client's words, that were left out.
type Dropped []string

// Add adds a field once.
func (d *Dropped) Add(field string) {
	for _, f := range *d {
		if f == field {
			return
		}
	}
	*d = append(*d, field)
}

const (
	mostDropped = 24
	longField   = 48
)

// Header is the value of the header that tells of them, "" if there are none: names that
// were cut to what a header can hold, separated by commas.
func (d Dropped) Header() string {
	var b strings.Builder
	for i, f := range d {
		if i == mostDropped {
			b.WriteString(", ...")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		for j := 0; j < len(f) && j < longField; j++ {
			if c := f[j]; c > ' ' && c < 0x7f && c != ',' || c == ' ' {
				b.WriteByte(c)
			} else {
				b.WriteByte('?')
			}
		}
	}
	return b.String()
}
