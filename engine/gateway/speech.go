package gateway

import (
	"errors"
	"net/http"
	"strings"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/chat"
	"tallygate/providers/dialect/messages"
	"tallygate/providers/dialect/ollama"
	"tallygate/providers/dialect/responses"
)

// speech is another shape than chat completions that a caller may speak.
type speech interface {
	name() string // in records
	// request appends the request for chat completions that a body stands for, where no
	// upstream speaks this shape.
	request(x *exchange, dst, body []byte) ([]byte, *tally.Refusal)
	// answer is an answer in one piece, of another dialect, in this shape.
	answer(x *exchange, body []byte) ([]byte, error)
	refusal(x *exchange, refusal *tally.Refusal) []byte
}

// translated is a speech of package dialect.
type translated struct{ dialect.Dialect }

var (
	inChat      = translated{chat.Dialect{}} // that of callers whose speech is nil
	inResponses = translated{responses.Dialect{}}
	inMessages  = translated{messages.Dialect{}}
	inOllama    = translated{ollama.Dialect{}}
)

func (t translated) name() string { return string(t.Name()) }

func (t translated) request(x *exchange, dst, body []byte) ([]byte, *tally.Refusal) {
	req, err := t.Parse(body)
	if err != nil {
		return dst, refusalOf(err)
	}
	x.parsed = req
	dst, dropped, err := chat.Dialect{}.Write(dst, req, dialect.Target{
		Model: req.Model, MaxOutput: req.MaxOutput, Stream: req.Stream, Reasons: dialect.Reasons(req.Model),
	})
	if err != nil {
		return dst, refusalOf(err)
	}
	x.own.dropped = dropped.Header()
	return dst, nil
}

// refusalOf is what a caller is told of its own fault.
func refusalOf(err error) *tally.Refusal {
	f, ok := errors.AsType[*dialect.Failure](err)
	if !ok {
		return tally.BadRequest("", "The request cannot be read: "+err.Error()+".")
	}
	return &tally.Refusal{
		Status: f.Status, Type: f.Type, Code: f.Code, Param: f.Param, Message: f.Message, Final: true, Details: f.Details,
	}
}

// look finds the few fields of the body that matter, in the dialect that it is written in.
// A body that no upstream would understand becomes one of chat completions.
func (x *exchange) look() *tally.Refusal {
	if x.endpoint.IsMedia() {
		return x.peekMedia()
	}
	in := dialect.Chat
	if x.speech != nil {
		if in = dialect.Name(x.speech.name()); upstreamOf(in) == nil {
			in = dialect.Chat
			if refusal := x.hold(2 * len(x.body)); refusal != nil { // what is decoded, and what is made of it
				return refusal
			}
			var refusal *tally.Refusal
			x.out, refusal = x.speech.request(x, x.out[:0], x.body)
			if x.body, x.out = x.out, x.body; refusal != nil {
				return refusal
			}
		}
	}
	return x.peek(in)
}

// peek looks at the body.
func (x *exchange) peek(in dialect.Name) *tally.Refusal {
	e := &x.envelope
	if err := e.Peek(in, x.body); err != nil {
		return unreadable(err)
	}
	if len(e.Model) > maxName {
		return tally.BadRequest("model", "The model's name is too long.")
	}
	if tally.Unprintable(e.Model) {
		return tally.BadRequest("model", "The model's name contains a control character.")
	}
	if e.Background {
		return tally.BadRequest("background", "This gateway keeps no answers that could be fetched later. Leave background out; a stream is sent as the answer is written.")
	}
	if x.model = e.Model; x.deployment != "" {
		x.model = x.deployment
	}
	x.stream = e.Stream && x.endpoint != providers.Embeddings
	x.own.envelope, x.own.length, x.own.own = e, len(x.body), true
	if in == dialect.Chat {
		return nil
	}
	x.own.long = in == dialect.Messages &&
		strings.Contains(strings.Join(x.r.Header["Anthropic-Beta"], ","), longContextBeta)
	if clean := dialect.WithoutForeign(x.body); len(clean) < len(x.body) { // a conversation that another upstream has been part of
		x.own.envelope, x.own.length = new(providers.Envelope), len(clean)
		if err := x.own.envelope.Peek(in, clean); err != nil {
			return unreadable(err)
		}
	}
	return nil
}

// spoken is the shape that the caller is answered in; its speech may be nil.
func (x *exchange) spoken() translated {
	if t, ok := x.speech.(translated); ok {
		return t
	}
	return inChat
}

// passesOn reports whether what the upstream answers is in the caller's own shape, so that
// its bytes pass on.
func (x *exchange) passesOn() bool {
	if x.template != nil { // some upstreams repeat what they were asked
		return false
	}
	if x.speech == nil {
		return x.form.envelope.Dialect == dialect.Chat
	}
	return x.speech.name() == string(x.form.envelope.Dialect)
}

// dialectHead is what an answer is given from outside.
func (x *exchange) dialectHead() dialect.Head {
	head := dialect.Head{
		ID: x.idOfAnswer(), Created: x.at.Unix(), Model: x.target.Model.Name, Input: x.inputEstimate(), Request: x.parsed,
	}
	if x.template != nil { // how long its words are is estimated for nobody, either
		head.Model, head.Input = tally.TemplatePrefix+x.template.Name, 0
		if head.Request != nil {
			said := *head.Request
			said.Temperature = ""
			head.Request = &said
		}
	}
	return head
}

// billTold is what the caller is told to have paid.
func (x *exchange) billTold() (b dialect.Bill) {
	if !x.principal.Visitor {
		b.Cost = dialect.Number(x.credits().String())
	}
	return b
}

// idOfAnswer makes the ids of an answer.
func (x *exchange) idOfAnswer() string {
	_, id, _ := strings.Cut(string(x.id), "_")
	return id
}

// reader reads what the upstream answers. A page with a locked token is told its words alone.
func (x *exchange) reader() dialect.Reader {
	r := upstreamOf(x.form.envelope.Dialect).Reader()
	if x.template != nil {
		return &wordsOnly{Reader: r}
	}
	return r
}

// readAnswer reads an answer in one piece.
func (x *exchange) readAnswer(body []byte) (*dialect.Answer, error) {
	return dialect.ReadWhole(x.reader(), body)
}

func (t translated) answer(x *exchange, body []byte) ([]byte, error) {
	a, err := x.readAnswer(body)
	if err != nil {
		return nil, err
	}
	return t.Writer(x.dialectHead()).Whole(nil, a, x.billTold()), nil
}

// toldAnew is an answer in one piece as the caller speaks.
func (x *exchange) toldAnew(body []byte) ([]byte, error) {
	if x.speech == nil {
		return inChat.answer(x, body)
	}
	return x.speech.answer(x, body)
}

// translator translates the stream of the latest attempt; nil where bytes pass on.
func (x *exchange) newTranslator() *dialect.Stream {
	if x.passesOn() {
		return nil
	}
	return dialect.Translate(x.reader(), x.spoken().Writer(x.dialectHead()))
}

func (t translated) refusal(x *exchange, refusal *tally.Refusal) []byte {
	return t.AppendFailure(nil, x.failureOf(refusal))
}

// failureOf is a refusal in the terms of package dialect.
func (x *exchange) failureOf(r *tally.Refusal) *dialect.Failure {
	return &dialect.Failure{
		Status: r.Status, Message: r.Message, Type: r.Type, Code: r.Code, Param: r.Param, Details: r.Details,
		RequestID: string(x.id),
	}
}

// failedStream is the end of a stream of another dialect than chat completions that has
// passed on as it came.
func (x *exchange) failedStream(refusal *tally.Refusal) []byte {
	w := x.spoken().Writer(x.dialectHead())
	if x.result.FirstByte > 0 {
		w.Event(nil, &dialect.Event{Kind: dialect.Start}) // the upstream's own has passed
	}
	return w.Fail(nil, x.failureOf(refusal))
}

// toCaller is a block of whole events as the caller speaks. The error is that of an
// upstream that does not speak as it should.
func (x *exchange) toCaller(block []byte) ([]byte, error) {
	if x.translator == nil {
		return block, nil
	}
	out, err := x.translator.Push(x.told[:0], block)
	x.told = out
	if err != nil {
		return out, &providers.UpstreamError{Fault: providers.BadAnswer, Status: http.StatusOK, Err: err}
	}
	return out, nil
}

// speaks sets the shape of everything that the caller is told.
func (s *Server) speaks(x *exchange, as speech) {
	if x.speech = as; as == inMessages {
		x.w.Header()["Request-Id"] = []string{string(x.id)}
	}
}

// speechOf is the shape that a request for something that several dialects have is
// answered in: clients of messages tell the version of their API.
func speechOf(r *http.Request) speech {
	if r.Header.Get("Anthropic-Version") != "" {
		return inMessages
	}
	return nil
}
