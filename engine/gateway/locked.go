package gateway

import (
	"tallygate/engine/auth"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/chat"
)

// A page with a locked token sends its visitor's words, and says at most which template of
// the gateway they are for. Nothing of its body passes on: what it may say is read from it,
// and the request is written anew around that, so there is nothing that two readers of the
// body could take differently. Its answer is written anew as well, of its text, its end and
// its usage: some upstreams repeat what they were asked.

// locked is the access token of a page that may only send its visitor's words, nil for all
// other callers.
func (x *exchange) locked() *tally.AccessToken {
	if t := x.principal.Token; t != nil && t.Locked() {
		return t
	}
	return nil
}

// lockable refuses a locked token where there is no conversation.
func (x *exchange) lockable() *tally.Refusal {
	if x.locked() == nil || x.endpoint == providers.Chat && x.deployment == "" &&
		(x.speech == nil || x.speech == inResponses || x.speech == inMessages) {
		return nil
	}
	return notLocked("", "This access token is locked to templates of its gateway: it asks at POST /v1/chat/completions, /v1/responses or /v1/messages, and nowhere else.")
}

// fieldInput is the conversation of responses.
const fieldInput = "input"

// notLocked refuses what a page with a locked token may not send.
func notLocked(param, message string) *tally.Refusal {
	if len(param) > maxName {
		param = ""
	}
	return auth.NotLocked(param, message)
}

// lock writes the request anew, of its template and its visitor's words.
func (x *exchange) lock() *tally.Refusal {
	words, refusal := x.visitorsWords()
	if refusal != nil {
		return refusal
	}
	if x.template, refusal = auth.TemplateOf(x.principal, words.template); refusal != nil {
		return refusal
	}
	t := x.template
	if refusal := x.hold(2 * (len(x.body) + len(t.System))); refusal != nil { // what is read, and what is made of it
		return refusal
	}
	req := &dialect.Request{
		From: dialect.Chat, Model: t.Model, MaxOutput: words.most, Temperature: dialect.Number(t.Temperature),
		Stream: words.stream, StreamUsage: words.usage,
	}
	if t.Temperature != "" {
		req.Use(dialect.Temperature, "temperature")
	}
	if most := t.MaxOutput; most > 0 && (req.MaxOutput == 0 || req.MaxOutput > most) {
		req.MaxOutput = most
	}
	system := dialect.Turn{Role: dialect.System, Parts: []dialect.Part{{Kind: dialect.TextPart, Text: t.System}}}
	req.Turns = append([]dialect.Turn{system}, words.turns...)
	body, _, err := chat.Dialect{}.Write(x.out[:0], req, dialect.Target{
		Model: t.Model, MaxOutput: req.MaxOutput, Stream: req.Stream, Reasons: dialect.Reasons(t.Model),
	})
	if err != nil {
		return refusalOf(err)
	}
	x.parsed, x.body, x.out = req, body, x.body
	return x.peek(dialect.Chat)
}

// sameTemplate refuses a request that has waited while its template was changed.
func (x *exchange) sameTemplate() *tally.Refusal {
	if x.template == nil {
		return nil
	}
	if now := x.principal.Gateway.Template(x.template.Name); now != nil && *now == *x.template {
		return nil
	}
	refusal := crowded()
	refusal.Message = "What the gateway says to the model was changed while this request waited. Send it again."
	return refusal
}

// wordsOnly reads an answer for its words: texts and refusals, how it ends and what it has
// used. Reasoning quotes the system's words, and no tool is for the page.
type wordsOnly struct {
	dialect.Reader
	silent bool // the part that is read is none of those
}

func (r *wordsOnly) to(emit func(*dialect.Event)) func(*dialect.Event) {
	return func(e *dialect.Event) {
		switch e.Kind {
		case dialect.Reason, dialect.Seal, dialect.ToolBegin, dialect.ToolInput:
			r.silent = true
			return
		case dialect.Cited:
			return
		case dialect.PartEnd:
			if r.silent {
				r.silent = false
				return
			}
		case dialect.Stop:
			if e.Why == dialect.StopTools {
				end := *e
				end.Why = dialect.StopEnd
				e = &end
			}
		}
		emit(e)
	}
}

// Push implements dialect.Reader, as do the methods below.
func (r *wordsOnly) Push(in []byte, emit func(*dialect.Event)) error {
	return r.Reader.Push(in, r.to(emit))
}
func (r *wordsOnly) End(emit func(*dialect.Event)) error { return r.Reader.End(r.to(emit)) }
func (r *wordsOnly) Whole(body []byte, emit func(*dialect.Event)) error {
	return r.Reader.Whole(body, r.to(emit))
}
