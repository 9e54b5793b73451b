package openai

import (
	"context"
	"net/http"
	"strings"
	"time"

	"tallygate/providers"
	"tallygate/providers/dialect"
	"tallygate/providers/transport"
)

// pass sends a request that is no conversation as it is, but for the model's name, and
// passes on what comes back.
func (p *Provider) pass(ctx context.Context, c providers.Call) (*providers.Reply, error) {
	if err := p.lacks(c); err != nil {
		return nil, err
	}
	began, m := time.Now(), c.Media
	buf := p.bodies.Get().(*[]byte)
	*buf = m.Rewrite((*buf)[:0], c.Model)
	accept := "*/*"
	switch {
	case m.Events:
		accept = eventStream
	case m.Whole:
		accept = "application/json"
	}
	fields := []transport.Field{
		{Name: "Content-Type", Value: m.ContentType}, {Name: "Accept", Value: accept},
		{Name: "X-Request-Id", Value: c.RequestID},
	}
	res, err := p.withKey(ctx, &transport.Request{Method: http.MethodPost, Path: pathOf(c.Endpoint,
		dialect.Chat), Body: *buf, Wait: p.wait(m.Events),
		Fields: append(p.hops(fields, c), transport.Field{})}, c.Key) // the last is for the key
	p.keep(buf)
	if err != nil {
		return nil, err
	}
	if err := p.check(res); err != nil {
		return nil, err
	}
	reply := &providers.Reply{Status: res.Status, Header: p.plain, RequestID: p.requestID(res)}
	events := isType(res.ContentType, eventStream)
	if m.Whole || isType(res.ContentType, "application/json") {
		reply.Body = providers.NewWhole(res.Body, providers.WholeOptions{
			Length: res.Length, Until: began.Add(p.timeout), Piece: m.Units.Piece, Keys: p.keys,
		})
	} else {
		reply.Header, reply.Passing = http.Header{"Content-Type": {passedType(res.ContentType)}}, true
		reply.Body = providers.NewPassing(res.Body, providers.PassingOptions{
			Events: events, Piece: m.Units.Piece, ChunkTimeout: p.chunk, Until: began.Add(max(p.timeout, longestStream)),
			Keys: p.keys,
		})
	}
	return unpack(reply, res), nil
}

// passedType is the type of an answer as the caller is told it: of what a browser would run
// no type is passed on.
func passedType(contentType string) string {
	for _, is := range [...]string{
		"audio/", "text/plain", "text/vtt", "text/srt", "application/x-subrip", "application/ogg", "image/png", "image/jpeg",
		"image/webp", eventStream,
	} {
		if isType(contentType, is) && !strings.ContainsAny(contentType, "\r\n") {
			return contentType
		}
	}
	return "application/octet-stream"
}
