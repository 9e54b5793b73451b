package openai

import (
	"errors"
	"net/http"

	"tallygate/providers"
	"tallygate/providers/dialect"
)

// way is how one model of an upstream wants to be asked where upstreams differ. It is
// learned from the upstream's refusals. Those cost nothing, so a request that is refused
// for what we put into it is asked again once the other way.
type way struct {
	// silent: stream_options is refused, so no usage is asked for.
	silent bool
	// bound is the one name under which the output may be bounded; "" for the name of the
	// kind.
	bound string
}

// wayOf is what is known of a model.
func (p *Provider) wayOf(model string) way {
	known, _ := p.ways.Load(model)
	w, _ := known.(way)
	return w
}

// other is the way to ask again after the refusal of a call that was asked in the way
// asked; ok is whether there is a way that was not tried.
func (p *Provider) other(c providers.Call, asked, first way, err error) (w way, ok bool) {
	up, is := errors.AsType[*providers.UpstreamError](err)
	if !is || up.Fault != providers.Refused || !up.Free || up.Said != nil || up.Status != http.StatusBadRequest && up.Status != http.StatusUnprocessableEntity {
		return asked, false
	}
	e := p.edits(c, asked)
	if e.IncludeUsage && !c.Envelope.IncludeUsage && up.Words.Mention("stream_options") {
		asked.silent = true
		return asked, true
	}
	if c.MaxOutput == 0 || c.Endpoint != providers.Chat || c.Envelope.Dialect != dialect.Chat ||
		asked.bound != first.bound {
		return asked, false
	}
	sent := e.MaxField
	if !e.OnlyMaxField && c.Envelope.MaxTokens >= 0 {
		sent = c.Envelope.MaxField
	}
	if up.Words.Mention(sent) && up.Words.Mention(unknownField...) {
		asked.bound = providers.FieldMaxTokens
		if sent == asked.bound {
			asked.bound = providers.FieldMaxCompletion
		}
		return asked, true
	}
	return asked, false
}

// unknownField are words that refuse a field, and not its value. A bound whose value is
// refused must not be sent under a name that the upstream ignores.
var unknownField = []string{"unsupported parameter", "unsupported_parameter", "unrecognized", "unknown", "unexpected", "extra_forbidden", "extra inputs",
	"not permitted", "additional propert", "is unsupported", "cannot find field", "not supported with this model", "instead"}
