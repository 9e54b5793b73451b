package openai

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"tallygate/providers"
	"tallygate/providers/dialect"
	"tallygate/providers/transport"
)

// send sends a request with the API key that the call names.
func (p *Provider) send(ctx context.Context, c providers.Call, body []byte) (*transport.Response, error) {
	accept := "application/json"
	if c.Stream {
		accept = eventStream
	}
	r := &struct { // one allocation for both
		transport.Request
		room [8]transport.Field
	}{}
	r.Method, r.Path, r.Body, r.Wait = http.MethodPost, pathOf(c.Endpoint, c.Envelope.Dialect), body, p.wait(c.Stream)
	r.Fields = append(r.room[:0], transport.Field{Name: "Content-Type", Value: "application/json"}, transport.Field{Name: "Accept", Value: accept}, transport.Field{Name: "X-Request-Id", Value: c.RequestID})
	r.Fields = p.hops(r.Fields, c)
	version := c.Envelope.Dialect == dialect.Messages
	for _, f := range c.Fields {
		r.Fields = append(r.Fields, transport.Field(f))
		version = version && f.Name != versionField
	}
	if version {
		r.Fields = append(r.Fields, transport.Field{Name: versionField, Value: anthropicVersion})
	}
	r.Fields = append(r.Fields, transport.Field{}) // for the key
	return p.withKey(ctx, &r.Request, c.Key)
}

// hops tells another gateway how many there were before it.
func (p *Provider) hops(fields []transport.Field, c providers.Call) []transport.Field {
	if p.kind.gateway {
		fields = append(fields, transport.Field{Name: providers.HopsHeader, Value: strconv.Itoa(c.Hops + 1)})
	}
	return fields
}

const versionField = "Anthropic-Version"

// pathOf is an endpoint's path below the base URL.
func pathOf(e providers.Endpoint, in dialect.Name) string {
	switch e {
	case providers.Chat:
		switch in {
		case dialect.Responses:
			return "/responses"
		case dialect.Messages:
			return "/messages"
		}
		return "/chat/completions"
	case providers.Completions:
		return "/completions"
	case providers.Embeddings:
		return "/embeddings"
	}
	return "/" + string(e)
}

// wait is how long the head of an answer may take. A model that thinks has all the time
// that there is, and an answer in one piece has no head before it is complete. For streams
// the owner may set a shorter time.
func (p *Provider) wait(stream bool) time.Duration {
	if stream && p.firstByte > 0 {
		return p.firstByte
	}
	return p.timeout
}

// withKey sends a request with an API key, by its place. The last of the request's fields is
// where the key goes.
func (p *Provider) withKey(ctx context.Context, r *transport.Request, key int) (*transport.Response, error) {
	last := len(r.Fields) - 1
	r.Fields[last] = transport.Field{
		Name: cmp.Or(p.kind.keyField, "Authorization"), Value: p.authorization[key%len(p.authorization)],
	}
	if r.Fields[last].Value == "" {
		r.Fields = r.Fields[:last]
	}
	res, err := p.transport.RoundTrip(ctx, r)
	if err != nil {
		return nil, err
	}
	if decode(res); res.Status != http.StatusOK {
		return nil, p.refusal(res)
	}
	return res, nil
}

// aboutKey reports whether another key of the same account may do better.
func aboutKey(err error) bool {
	up, ok := errors.AsType[*providers.UpstreamError](err)
	return ok && (up.Fault == providers.BadKey || up.Fault == providers.OutOfQuota ||
		up.Fault == providers.NotHere && up.Status == http.StatusForbidden)
}
