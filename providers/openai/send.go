package openai

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"tallygate/providers"
	"tallygate/providers/transport"
)

// send sends a request with the current API key. A key that the upstream does
// not take any more is skipped from then on, until those behind it fail too:
// the request was not answered, so it may be sent again.
func (p *Provider) send(ctx context.Context, c providers.Call, body []byte) (*transport.Response, error) {
	accept := "application/json"
	if c.Stream {
		accept = eventStream
	}
	r := &struct { // one allocation for both
		transport.Request
		room [5]transport.Field
	}{}
	r.Method, r.Path, r.Body, r.Wait = http.MethodPost, pathOf(c.Endpoint), body, p.wait(c.Stream)
	r.Fields = append(r.room[:0], transport.Field{Name: "Content-Type", Value: "application/json"}, transport.Field{Name: "Accept", Value: accept}, transport.Field{Name: "X-Request-Id", Value: c.RequestID})
	if p.kind.gateway {
		r.Fields = append(r.Fields, transport.Field{Name: providers.HopsHeader, Value: strconv.Itoa(c.Hops + 1)})
	}
	r.Fields = append(r.Fields, transport.Field{}) // for the key
	return p.withKeys(ctx, &r.Request)
}

// pathOf is an endpoint's path below the base URL.
func pathOf(e providers.Endpoint) string {
	switch e {
	case providers.Chat:
		return "/chat/completions"
	case providers.Completions:
		return "/completions"
	case providers.Embeddings:
		return "/embeddings"
	}
	return "/" + string(e)
}

// wait is how long the head of an answer may take: a model that thinks has all the
// time that there is, and an answer in one piece has no head before it is complete.
// The owner may say less for streams.
func (p *Provider) wait(stream bool) time.Duration {
	if stream && p.firstByte > 0 {
		return p.firstByte
	}
	return p.timeout
}

// withKeys sends a request with one API key after the other, from the current
// one on, as long as it is the key that is refused. The last of the request's
// fields is where the key goes.
func (p *Provider) withKeys(ctx context.Context, r *transport.Request) (*transport.Response, error) {
	current := p.current.Load()
	fields := r.Fields
	last := len(fields) - 1
	for i := 0; ; i++ {
		k := (int(current) + i) % len(p.authorization)
		if fields[last] = (transport.Field{Name: "Authorization", Value: p.authorization[k]}); p.authorization[k] == "" {
			r.Fields = fields[:last]
		}
		res, err := p.transport.RoundTrip(ctx, r)
		if err == nil {
			decode(res)
		}
		if err == nil && res.Status != http.StatusOK {
			err = p.refusal(res)
		}
		if err == nil {
			if i > 0 {
				p.current.CompareAndSwap(current, uint32(k))
			}
			return res, nil
		}
		if i+1 == len(p.authorization) || !aboutKey(err) {
			return nil, err
		}
	}
}

// aboutKey reports whether another key of the same account may do better. What this
// one has used all the same is not to be lost.
func aboutKey(err error) bool {
	up, ok := errors.AsType[*providers.UpstreamError](err)
	if !ok || up.Said != nil {
		return false
	}
	return up.Fault == providers.BadKey || up.Fault == providers.OutOfQuota || up.Fault == providers.NotHere && up.Status == http.StatusForbidden
}
