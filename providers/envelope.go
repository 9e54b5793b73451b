package providers

import (
	"sync"

	"tallygate/engine/tally"
	"tallygate/providers/dialect"
)

// Envelope is a request body that has been looked at once and not decoded. It holds the raw
// bytes, and where those few fields are that the gateway or a provider must know or
// replace. All other fields pass through untouched.
//
// [Envelope.Peek] fills one. Offsets are into Raw.
type Envelope struct {
	Raw []byte
	// Dialect is what the body is written in: chat completions, which completions and
	// embeddings are taken for as well, responses or messages.
	Dialect dialect.Name

	Model  string
	Stream bool
	// MaxTokens is the field of the dialect that bounds the output: max_output_tokens of
	// responses, else max_tokens or max_completion_tokens, the larger if both are there. It
	// is -1 if they are absent or null, and 0 only in a request to echo its prompt.
	MaxTokens int64
	// MaxField is the field that gave MaxTokens; "" if absent.
	MaxField     string
	Choices      int64 // n, at least 1
	BestOf       int64 // best_of of legacy completions, at least 1
	Prompts      int64 // prompts in "prompt" or inputs in "input" that are answered one by one, at least 1
	IncludeUsage bool  // stream_options.include_usage
	Base64       bool  // encoding_format is "base64"
	Content      Content
	// Extras are what the upstream bills beside the text, and Tier the way of being
	// served that the caller asks for.
	Extras []Extra
	Tier   tally.Tier
	// Predicted is the length of a predicted output in bytes. An upstream may bill such an
	// output as output on top of what is granted.
	Predicted int64
	// Thinking is the budget for thinking that the request sets, in tokens. An upstream
	// refuses an output that is not larger than this budget.
	Thinking int64
	// Background is whether the answer to a request for responses is to be fetched later.
	Background bool
	// OtherMaximum is a field that bounds the output, or the number of answers, by a name
	// that the gateway does not replace; "" if there is none.
	OtherMaximum string
	// Preamble is whether upstreams put instructions of their own before the prompt,
	// as they do for tools and schemas.
	Preamble bool
	// BuiltIn counts tools that the caller runs and the upstream describes.
	BuiltIn int64
	// Unknown is the first top-level field whose meaning the gateway does not know,
	// "" if there is none.
	Unknown string
	// Session is the end user named by the body, from the first present of
	// user, metadata.{session_id,user_id,wa_id,phone}, safety_identifier,
	// conversation, and of responses prompt_cache_key; "" if none.
	Session string

	*places // nil unless a body is looked at

	ownMaxTokens, ownMaxCompletion, ownMaxOutput int64 // 0 if absent
	empty                                        bool
	emptyOptions                                 bool
}

// places are where the fields are in a body. They are as large as all else that is kept of a
// request, and of no use once it has been sent, so they are lent: an answer may take long.
type places struct {
	model, stream, maxTokens, maxCompletion, maxOutput                  span
	streamOptions, encodingFormat, cacheKey, background                 span
	includeUsage                                                        span // within streamOptions
	user, metadata, safety, conversation                                span
	choices, bestOf, prompt, input, messages                            span
	models, tier                                                        span
	tools, plugins, searchParameters, modalities, cacheControl, speed   span
	maxToolCalls, prediction, reasoning, thinking, thinkingBudget, echo span
	open, end                                                           int    // offsets of the outer braces
	itemTools                                                           []span // of items of the input
}

var lentPlaces = sync.Pool{New: func() any { return new(places) }}

// Forget lets go of the body, and of where things are in it. What was found out is still
// there; nothing is written any more.
func (e *Envelope) Forget() {
	e.Raw = nil
	if e.places != nil {
		*e.places = places{itemTools: e.itemTools[:0]}
		lentPlaces.Put(e.places)
		e.places = nil
	}
}

// The fields that bound a request's output.
const (
	FieldMaxTokens     = "max_tokens"
	FieldMaxCompletion = "max_completion_tokens"
	FieldMaxOutput     = "max_output_tokens" // of responses
)

// The largest counts a request may ask for. OpenAI's are the same.
const (
	maxChoices = 128
	maxPrompts = 2048
)

// span is a top-level value [From, To) in the raw body; zero if absent. KeyFrom
// is where its key's opening quote is.
type span struct{ KeyFrom, From, To int }

func (s span) present() bool { return s.To > 0 }

// of returns the span's text.
func (s span) of(b []byte) []byte { return b[s.From:s.To] }

// null reports whether the value is a null.
func (s span) null(b []byte) bool { return s.To > 0 && b[s.From] == 'n' }

// Returned is how many answers an upstream returns by an endpoint.
func (e *Envelope) Returned(by Endpoint) int64 { return e.Choices * e.answered(by) }

// Written is how many answers an upstream writes by an endpoint. If it writes more than it
// returns, it returns the best of them and nobody sees the others.
func (e *Envelope) Written(by Endpoint) int64 { return max(e.Choices, e.BestOf) * e.answered(by) }

// answered is how many prompts get answers of their own.
func (e *Envelope) answered(by Endpoint) int64 {
	if by == Completions {
		return e.Prompts
	}
	return 1
}

// Peek looks at the body of a chat completion, of a completion or of embeddings; see
// [Envelope.Peek].
func Peek(body []byte) (*Envelope, error) {
	e := new(Envelope)
	if err := e.Peek(dialect.Chat, body); err != nil {
		return nil, err
	}
	return e, nil
}

// Peek looks at a request body once and keeps it: body must not change while
// the envelope is in use. An envelope may be used again for another body.
//
// Peek accepts one JSON object that is well-formed outside of strings. Each of the fields
// that Peek knows must have the right type, occur at most once and be spelled in lower
// case: a decoder that folds case, such as Go's, would take "Model" for "model". So what
// the envelope reports is what any upstream will read. A refusal is a *tally.Error Invalid
// that names the field or the offset.
func (e *Envelope) Peek(in dialect.Name, body []byte) error {
	model, field := e.Model, e.MaxField // kept: the next body often names the same
	e.Forget()
	*e = Envelope{
		Raw: body, Dialect: in, Model: model, MaxField: field, MaxTokens: -1, Choices: 1, BestOf: 1, Prompts: 1,
		Extras: e.Extras[:0], places: lentPlaces.Get().(*places),
	}
	e.Content.blocks = in == dialect.Messages
	if err := e.walk(body); err != nil {
		return err
	}
	return e.read(body)
}

// walk finds the members of the object.
func (e *Envelope) walk(b []byte) error {
	i := space(b, 0)
	if i >= len(b) {
		return tally.Errorf(tally.Invalid, "the body is empty")
	}
	if b[i] != '{' {
		return tally.Errorf(tally.Invalid, "the body is not a JSON object: %s", at(b, i))
	}
	e.open, e.empty = i, true
	var fault error
	end := eachMember(b, i, 1, func(key []byte, i int) int {
		e.empty = false
		from := keyStart(b, key, i)
		var to *span
		if to, fault = e.member(key, from); fault != nil {
			return ^i
		}
		switch to {
		case nil:
			return e.other(key, b, i)
		case &e.messages:
			to.To = e.Content.messages(b, i)
		case &e.input:
			to.To = e.items(b, i)
		default:
			to.To = skipValue(b, i, 1)
		}
		to.KeyFrom, to.From = from, i
		return to.To
	})
	switch {
	case fault != nil:
		return fault
	case end < 0:
		return malformed(b, ^end)
	}
	e.end = end - 1
	return tail(b, end)
}

// member returns where the span of a field we know goes, nil for others.
func (e *Envelope) member(key []byte, at int) (*span, error) {
	var to *span
	if e.Dialect == dialect.Responses {
		switch string(key) {
		case FieldMaxTokens, FieldMaxCompletion: // they bound nothing there
			return nil, nil
		case FieldMaxOutput:
			to = &e.maxOutput
		case "background":
			to = &e.background
		}
	}
	switch string(key) {
	case "model":
		to = &e.model
	case "stream":
		to = &e.stream
	case FieldMaxTokens:
		to = &e.maxTokens
	case FieldMaxCompletion:
		to = &e.maxCompletion
	case "stream_options":
		to = &e.streamOptions
	case "encoding_format":
		to = &e.encodingFormat
	case "n":
		to = &e.choices
	case "best_of":
		to = &e.bestOf
	case "models":
		to = &e.models
	case "service_tier":
		to = &e.tier
	case "prompt":
		to = &e.prompt
	case "input":
		to = &e.input
	case "user":
		to = &e.user
	case "metadata":
		to = &e.metadata
	case "safety_identifier":
		to = &e.safety
	case "conversation":
		to = &e.conversation
	case "messages":
		to = &e.messages
	case "tools":
		to = &e.tools
	case "plugins":
		to = &e.plugins
	case "search_parameters":
		to = &e.searchParameters
	case "modalities":
		to = &e.modalities
	case "cache_control":
		to = &e.cacheControl
	case "speed":
		to = &e.speed
	case "max_tool_calls":
		to = &e.maxToolCalls
	case "prediction":
		to = &e.prediction
	case "reasoning":
		to = &e.reasoning
	case "thinking":
		to = &e.thinking
	case "thinking_budget":
		to = &e.thinkingBudget
	case "echo":
		to = &e.echo
	case "prompt_cache_key":
		to = &e.cacheKey
	default:
		if to != nil {
			break
		}
		if plain(key) {
			return nil, nil
		}
		name, err := foldedKey(key, at)
		if err != nil || name == "" {
			return nil, err
		}
		return e.member([]byte(name), at)
	}
	if to.present() {
		return nil, tally.Errorf(tally.Invalid, "the field %q occurs twice", key)
	}
	return to, nil
}

// tail checks that nothing follows the object.
func tail(b []byte, i int) error {
	if i = space(b, i); i < len(b) {
		return tally.Errorf(tally.Invalid, "the body goes on after its JSON object: %s", at(b, i))
	}
	return nil
}
