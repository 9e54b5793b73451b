package openai

import (
	"net/http"
	"slices"

	"tallygate/providers"
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/messages"
	"tallygate/providers/dialect/responses"
)

// anthropicVersion is the version of the API that requests are written for, where a client
// has not said for which one it was written.
const anthropicVersion = "2023-06-01"

// speaks is the dialect of an answer; nil is chat completions.
func speaks(d dialect.Name) dialect.Upstream {
	switch d {
	case dialect.Messages:
		return messages.Dialect{}
	case dialect.Responses:
		return responses.Dialect{}
	}
	return nil
}

// lacks is the error of a call for what this kind of upstream does not have at all.
func (p *Provider) lacks(c providers.Call) error {
	if c.Endpoint == providers.Chat || p.kind.Dialects == nil || slices.Contains(p.kind.Dialects, dialect.Chat) {
		return nil
	}
	return &providers.UpstreamError{Fault: providers.Refused, Status: http.StatusBadRequest, Free: true,
		Words: providers.Words{Message: p.kind.Title + " has no " + string(c.Endpoint) + ": ask another model."}}
}
