package gateway

import (
	"fmt"
	"slices"
	"strings"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// visitorsWords are what a page with a locked token has said.
type visitorsWords struct {
	template     string // as a model is named
	turns        []dialect.Turn
	most         int64 // output tokens; 0: not said
	stream       bool
	usage        bool // is told at the end of a stream
	conversation string
	bytes        int
}

// visitorsWords reads a body. Every member that says something must be known, and may be
// there once.
func (x *exchange) visitorsWords() (*visitorsWords, *tally.Refusal) {
	body, err := dialect.Body(x.body)
	if err != nil {
		return nil, refusalOf(err)
	}
	w := &visitorsWords{conversation: "messages"}
	limits := []string{providers.FieldMaxTokens, providers.FieldMaxCompletion}
	switch x.speech {
	case inResponses:
		w.conversation, limits = fieldInput, []string{providers.FieldMaxOutput}
	case inMessages:
		limits = limits[:1]
	}
	refusal := once(body, "", func(key string, v wire.Value) *tally.Refusal {
		switch {
		case key == w.conversation:
			return w.read(v)
		case !v.Said():
		case key == "model":
			return textOf(key, v, &w.template)
		case slices.Contains(limits, key):
			n, ok := v.Int()
			if !ok || n < 1 {
				return tally.BadRequest(key, fmt.Sprintf("The field %q is not a whole number above 0.", key))
			}
			if w.most == 0 || n < w.most {
				w.most = n
			}
		case key == "stream":
			return flagOf(key, v, &w.stream)
		case key == "stream_options" && x.speech == nil && v.Kind() == '{':
			return once(v, key+".", func(name string, v wire.Value) *tally.Refusal {
				if name != "include_usage" {
					return w.foreign(key + "." + name)
				}
				return flagOf(key+"."+name, v, &w.usage)
			})
		default:
			return w.foreign(key)
		}
		return nil
	})
	switch n := len(w.turns); {
	case refusal != nil:
		return nil, refusal
	case n == 0:
		return nil, tally.BadRequest(w.conversation, fmt.Sprintf("The request says nothing: %s has what the visitor said.", w.conversation))
	case w.turns[n-1].Role != dialect.User:
		return nil, notLocked(w.conversation, "This access token is locked: the last words are the visitor's, and the answer is the model's own from its beginning.")
	}
	return w, nil
}

// foreign refuses a field that says something which is not for pages to say.
func (w *visitorsWords) foreign(field string) *tally.Refusal {
	return notLocked(field, fmt.Sprintf("The field %.60q is not for a page with a locked access token: it sends %s, and its template says the rest.", field, w.conversation))
}

// read reads the turns of a conversation.
func (w *visitorsWords) read(v wire.Value) *tally.Refusal {
	switch v.Kind() {
	case '"': // of responses: the visitor's words alone
		if w.conversation != fieldInput {
			break
		}
		return w.add(dialect.User, v.Text())
	case '[':
		for item := range v.Elements() {
			if refusal := w.turn(item); refusal != nil {
				return refusal
			}
		}
		return nil
	}
	return tally.BadRequest(w.conversation, fmt.Sprintf("The field %q is not a list of messages.", w.conversation))
}

func (w *visitorsWords) turn(v wire.Value) *tally.Refusal {
	at := fmt.Sprintf("%s[%d].", w.conversation, len(w.turns))
	if v.Kind() != '{' {
		return tally.BadRequest(w.conversation, fmt.Sprintf("%s is not a message.", strings.TrimSuffix(at, ".")))
	}
	role, said := "", wire.Value(nil)
	refusal := once(v, at, func(key string, v wire.Value) *tally.Refusal {
		ignored := w.conversation == fieldInput && (key == "id" || key == "status")
		switch {
		case key == "role":
			return textOf(at+key, v, &role)
		case key == "content":
			said = v
		case key == "type" && v.Text() == "message":
		case ignored && v.Kind() == '"': // of an answer that is sent back
		case !v.Empty():
			return w.foreign(at + key)
		}
		return nil
	})
	if refusal != nil {
		return refusal
	}
	as := dialect.User
	switch role {
	case "user":
	case "assistant":
		as = dialect.Assistant
	default:
		return notLocked(w.conversation, fmt.Sprintf("%srole is %.40q. A page with a locked access token sends turns of user and assistant only: its template speaks for the system.", at, role))
	}
	if said.Kind() != '[' {
		text := ""
		if refusal := textOf(at+"content", said, &text); refusal != nil {
			return refusal
		}
		return w.add(as, text)
	}
	var all strings.Builder
	for part := range said.Elements() {
		text, refusal := w.part(part, at+"content.")
		if refusal != nil {
			return refusal
		}
		all.WriteString(text)
	}
	return w.add(as, all.String())
}

// part reads a part of a turn, which is text.
func (w *visitorsWords) part(v wire.Value, at string) (text string, refusal *tally.Refusal) {
	kind := ""
	refusal = once(v, at, func(key string, v wire.Value) *tally.Refusal {
		switch {
		case key == "type":
			return textOf(at+key, v, &kind)
		case key == "text":
			return textOf(at+key, v, &text)
		case !v.Empty():
			return w.foreign(at + key)
		}
		return nil
	})
	if refusal == nil && kind != "text" && kind != "input_text" && kind != "output_text" {
		refusal = notLocked(w.conversation, fmt.Sprintf("%stype is %.40q. A page with a locked access token sends text only.", at, kind))
	}
	return text, refusal
}

// add adds a turn, as long as they are few and short.
func (w *visitorsWords) add(as dialect.Role, text string) *tally.Refusal {
	w.bytes += len(text)
	switch {
	case text == "":
		return tally.BadRequest(w.conversation, fmt.Sprintf("%s[%d] says nothing.", w.conversation, len(w.turns)))
	case len(w.turns) == tally.MaxLockedTurns:
		return notLocked(w.conversation, fmt.Sprintf("A conversation of a page with a locked access token has up to %d turns. Leave out the oldest.", tally.MaxLockedTurns))
	case w.bytes > tally.MaxLockedBytes:
		return notLocked(w.conversation, fmt.Sprintf("A conversation of a page with a locked access token has up to %s bytes of text. Leave out the oldest turns.", tally.Group(tally.MaxLockedBytes)))
	}
	w.turns = append(w.turns, dialect.Turn{Role: as, Parts: []dialect.Part{{Kind: dialect.TextPart, Text: text}}})
	return nil
}

// once visits the members of an object, whose names are decoded, and refuses one that is
// there twice.
func once(v wire.Value, at string, do func(key string, v wire.Value) *tally.Refusal) *tally.Refusal {
	seen := map[string]bool{}
	for k, v := range v.Members() {
		key := string(k)
		if seen[key] {
			return tally.BadRequest(clipped(at+key, maxName), fmt.Sprintf("The field %.60q occurs twice.", at+key))
		}
		seen[key] = true
		if refusal := do(key, v); refusal != nil {
			return refusal
		}
	}
	return nil
}

func textOf(field string, v wire.Value, into *string) *tally.Refusal {
	if v.Kind() != '"' {
		return tally.BadRequest(field, fmt.Sprintf("The field %.60q is not a text.", field))
	}
	*into = v.Text()
	return nil
}

func flagOf(field string, v wire.Value, into *bool) *tally.Refusal {
	if v.Kind() != 't' && v.Kind() != 'f' {
		return tally.BadRequest(field, fmt.Sprintf("The field %.60q is neither true nor false.", field))
	}
	*into = v.True()
	return nil
}
