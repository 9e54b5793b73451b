// Package sim is a pretend upstream: it answers from the request alone, always
// the same, at no cost and without a network. The demo, the first try-out and
// tests use it.
//
// It speaks OpenAI's dialect, obeys what the gateway relies on (the granted
// output, n, usage) and what an agent needs to get going (tools, JSON by
// schema), and every answer says that it is pretend. It does not imitate a
// model's mind: sampling, stop sequences and log probabilities have no effect.
//
// Pictures, sound and moderations are in media.go.
//
// A [Provider] decodes the request (request.go), composes an answer (compose.go,
// schema.go, embed.go) and writes it whole (whole.go) or as a stream
// (stream.go).
package sim

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"tallygate/providers"
)

// The models. Any other name is answered like Small, so that prices and limits
// can be tried under whatever name the owner likes.
const (
	Small = "sim-small" // answers in two sentences
	Large = "sim-large" // answers at more length
	Embed = "sim-embed" // makes embeddings, and nothing else
)

// The pace of a provider made by [New], about that of a small model nearby.
const (
	firstByte = 25 * time.Millisecond
	perChunk  = 8 * time.Millisecond
)

// Options set the pace of the answers. Zero values answer at once.
type Options struct {
	FirstByte time.Duration // before the head of an answer
	PerChunk  time.Duration // before each event of a stream
}

// Provider is the pretend upstream.
type Provider struct {
	options       Options
	plain, stream http.Header // shared by all replies
}

// Kind describes the pretend upstream as a kind of provider.
func Kind() providers.Kind {
	return providers.Kind{Name: "sim", Title: "Pretend upstream, built in", Local: true, StopsBilling: true, New: New}
}

// New makes a provider with the pace of a small model. The configuration does not matter.
func New(providers.Config) (providers.Provider, error) {
	return Open(Options{FirstByte: firstByte, PerChunk: perChunk}), nil
}

// Open makes a provider with a pace.
func Open(o Options) *Provider {
	return &Provider{
		options: o,
		plain:   http.Header{"Content-Type": {"application/json"}},
		stream:  http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}},
	}
}

// Do implements providers.Provider.
func (p *Provider) Do(ctx context.Context, c providers.Call) (*providers.Reply, error) {
	pace := pacer{due: time.Now()}
	if err := pace.wait(ctx, p.options.FirstByte); err != nil {
		if up, ok := errors.AsType[*providers.UpstreamError](err); ok {
			up.Free = true // nothing was begun
		}
		return nil, err
	}
	if c.Media != nil {
		return p.media(c)
	}
	if err := fits(c.Model, c.Endpoint); err != nil {
		return nil, err
	}
	r, err := decode(c)
	if err != nil {
		return nil, err
	}
	if c.Endpoint == providers.Embeddings {
		list, err := r.embeddings(c)
		if err != nil {
			return nil, err
		}
		return &providers.Reply{Status: http.StatusOK, Header: p.plain, Body: whole(list)}, nil
	}
	a, err := r.answer(c)
	if err != nil {
		return nil, err
	}
	if !c.Stream {
		return &providers.Reply{Status: http.StatusOK, Header: p.plain, Body: whole(a.write())}, nil
	}
	src := &source{ctx: ctx, answer: a, pace: pace, every: p.options.PerChunk, nullUsage: c.KeepUsage}
	return &providers.Reply{
		Status: http.StatusOK, Header: p.stream, Stream: true,
		Body: providers.NewStream(src, providers.StreamOptions{KeepUsage: c.KeepUsage, OnlyJSON: c.OnlyJSON, Choices: c.Envelope.Returned(c.Endpoint)}),
	}, nil
}

// fits refuses chat with the model for embeddings and the other way round.
func fits(model string, at providers.Endpoint) error {
	switch {
	case at == providers.Embeddings && (model == Small || model == Large):
		return refuse("model", model+" makes no embeddings; "+Embed+" does")
	case at != providers.Embeddings && model == Embed:
		return refuse("model", model+" makes embeddings only; ask it at /v1/embeddings")
	}
	return nil
}

// Models implements providers.Provider.
func (p *Provider) Models(ctx context.Context) ([]providers.ModelInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, ended(err)
	}
	return []providers.ModelInfo{
		{Name: Small, Mode: "chat", ContextTokens: 128_000, MaxOutputTokens: 16_384},
		{Name: Large, Mode: "chat", ContextTokens: 128_000, MaxOutputTokens: 16_384},
		{Name: Embed, Mode: "embedding", ContextTokens: 8_192},
	}, nil
}

// Close implements providers.Provider.
func (p *Provider) Close() error { return nil }

// refuse makes the answer to a request that is wrong, as OpenAI words it.
func refuse(param, message string) error {
	return &providers.UpstreamError{
		Fault: providers.Refused, Status: http.StatusBadRequest, Free: true, Err: errors.New(message),
		Words: providers.Words{Message: message, Type: "invalid_request_error", Param: param},
	}
}

// ended is the error of a call whose caller is gone or out of patience.
func ended(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &providers.UpstreamError{Fault: providers.TimedOut, Err: err}
	}
	return &providers.UpstreamError{Fault: providers.Gone, Err: err}
}

// pacer spaces steps evenly in time. Steps that are overdue, because the
// reader was slow, are made up for at once.
type pacer struct {
	due   time.Time
	timer *time.Timer
}

// wait sleeps until d after the last step, or until ctx ends.
func (p *pacer) wait(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return ended(ctx.Err())
	}
	if d <= 0 {
		return nil
	}
	p.due = p.due.Add(d)
	left := time.Until(p.due)
	if left <= 0 {
		return nil
	}
	if p.timer == nil {
		p.timer = time.NewTimer(left)
	} else {
		p.timer.Reset(left)
	}
	select {
	case <-p.timer.C:
		return nil
	case <-ctx.Done():
		p.timer.Stop()
		return ended(ctx.Err())
	}
}

// contains reports whether a text holds one of the words.
func contains(text string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}
