// Package openai talks to upstreams that speak one of OpenAI's dialects or Anthropic's:
// OpenAI, the many that copy it, and Anthropic, told apart by base URL and a few habits.
//
// A [Provider] rewrites a request (package providers does the splicing), sends
// it with an API key (send.go), sorts what comes back into answers and
// faults (fault.go), learns from refusals how a model wants to be asked (ways.go),
// and reads lists of models in the shapes that upstreams have given them (models.go,
// money.go). The habits are in kinds.go; the connection is package transport's.
package openai

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
	"tallygate/providers/transport"
)

// The time-outs of a provider that has none of its own.
const (
	defaultConnect = 10 * time.Second
	defaultChunk   = 3 * time.Minute // once the model has begun to write
	defaultTimeout = 10 * time.Minute
)

// Provider is one upstream account.
type Provider struct {
	kind      *preset
	transport transport.Transport
	firstByte time.Duration // 0: none of its own
	chunk     time.Duration
	impatient bool // chunk is the owner's, and bounds the silence of a model that thinks as well
	timeout   time.Duration

	keys          []string    // the API keys
	authorization []string    // what stands in the header for each of them, in order; "" for none
	ways          sync.Map    // what was learned: way by the upstream's name of the model
	bodies        sync.Pool   // of *[]byte: requests as they are sent
	plain, stream http.Header // of all replies
}

// New makes a provider of any of the [Kinds].
func New(cfg providers.Config) (providers.Provider, error) { return open(cfg, transport.New) }

// open makes a provider that is reached by a transport.
func open(cfg providers.Config, by func(transport.Options) (transport.Transport, error)) (providers.Provider, error) {
	kind, err := presetOf(cfg.Provider.ProviderKind)
	if err != nil {
		return nil, err
	}
	authorization, keys, err := authorizations(cfg.APIKeys, kind)
	if err != nil {
		return nil, err
	}
	base := cmp.Or(cfg.Provider.BaseURL, kind.BaseURL)
	if kind.gateway && base != "" && !strings.HasSuffix(strings.TrimRight(base, "/"), "/v1") {
		base = strings.TrimRight(base, "/") + "/v1"
	}
	t, err := by(transport.Options{
		BaseURL:        base,
		ConnectTimeout: cmp.Or(cfg.Provider.ConnectTimeout, defaultConnect),
	})
	if err != nil {
		return nil, err
	}
	return &Provider{
		kind: kind, transport: t, keys: keys, authorization: authorization,
		firstByte: cfg.Provider.FirstByteTimeout,
		chunk:     cmp.Or(cfg.Provider.ChunkTimeout, defaultChunk),
		impatient: cfg.Provider.ChunkTimeout > 0,
		timeout:   cmp.Or(cfg.Provider.Timeout, defaultTimeout),
		bodies:    sync.Pool{New: func() any { return new([]byte) }},
		plain:     http.Header{"Content-Type": {"application/json"}},
		stream:    http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}},
	}, nil
}

// authorizations are the header values for API keys. A key that cannot stand in a header is
// refused here, where the error can say so without showing the key.
func authorizations(apiKeys []string, kind *preset) (all, keys []string, err error) {
	before := "Bearer "
	if kind.keyField != "" {
		before = ""
	}
	for _, k := range apiKeys {
		if k = strings.TrimSpace(k); k == "" {
			continue
		}
		if strings.IndexFunc(k, func(r rune) bool { return r <= ' ' || r >= 0x7f }) >= 0 {
			return nil, nil, tally.Errorf(tally.Invalid, "an API key contains a space or a character that no API key has").
				WithHint("copy it again, without line breaks")
		}
		all, keys = append(all, before+k), append(keys, k)
	}
	if all == nil {
		all = []string{""}
	}
	return all, keys, nil
}

// keptBody is the largest buffer that is kept for the next request.
const keptBody = 256 << 10

// Do implements providers.Provider.
func (p *Provider) Do(ctx context.Context, c providers.Call) (*providers.Reply, error) {
	if c.Media != nil {
		return p.pass(ctx, c)
	}
	began := time.Now()
	buf := p.bodies.Get().(*[]byte)
	first := p.wayOf(c.Model)
	asked, again := first, false
	var res *transport.Response
	err := p.lacks(c)
	again = err == nil
	for again {
		*buf = c.Envelope.Rewrite((*buf)[:0], p.edits(c, asked))
		if res, err = p.send(ctx, c, *buf); err == nil {
			break
		}
		asked, again = p.other(c, asked, first, err)
	}
	if err == nil && asked != first {
		p.ways.Store(c.Model, asked)
	}
	p.keep(buf)
	if err != nil {
		return nil, err
	}
	if err := p.check(res); err != nil {
		return nil, err
	}
	reply := &providers.Reply{Status: res.Status, Header: p.plain, RequestID: p.requestID(res)}
	reply.Body = p.body(c, res, began)
	if c.Stream {
		reply.Header, reply.Stream = p.stream, true
	}
	return unpack(reply, res), nil
}

// keep keeps the buffer of a body for the next request.
func (p *Provider) keep(buf *[]byte) {
	if cap(*buf) > keptBody {
		*buf = nil
	}
	p.bodies.Put(buf)
}

// unpack lets the errors of an answer that came compressed say so.
func unpack(reply *providers.Reply, res *transport.Response) *providers.Reply {
	if d, ok := res.Body.(*decoded); ok {
		reply.Body = &unpacked{reply.Body, d.coding}
	}
	return reply
}

// body reads the body of an answer.
func (p *Provider) body(c providers.Call, res *transport.Response, began time.Time) providers.Body {
	returned := c.Envelope.Returned(c.Endpoint)
	in := speaks(c.Envelope.Dialect)
	whole := providers.WholeOptions{
		Dialect: in, Length: res.Length, Until: began.Add(p.timeout), Choices: returned, Keys: p.keys,
	}
	if c.Stream {
		options := providers.StreamOptions{
			Dialect: in, KeepUsage: c.KeepUsage || in != nil, OnlyJSON: c.OnlyJSON, Keys: p.keys, Choices: returned,
			ChunkTimeout: p.chunk, MaxBytes: longest(c), Until: began.Add(max(p.timeout, longestStream)),
		}
		if !p.impatient {
			options.Thinking = began.Add(p.timeout)
		}
		if isType(res.ContentType, eventStream) {
			return providers.NewStream(res.Body, options)
		}
		return providers.NewEither(res.Body, options, whole)
	}
	if c.Endpoint == providers.Embeddings {
		whole.Vectors = providers.Floats
		if c.Envelope.Base64 {
			whole.Vectors = providers.Base64
		}
	}
	return providers.NewWhole(res.Body, whole)
}

// edits are what this kind of upstream must read in the place of what the
// client sent.
func (p *Provider) edits(c providers.Call, asked way) providers.Edits {
	e := providers.Edits{
		Model: c.Model, Stream: c.Stream, MaxOutput: c.MaxOutput, BoundExtras: c.BoundExtras,
		MaxField: providers.FieldMaxTokens, OnlyMaxField: !p.kind.both,
	}
	if c.Envelope.Dialect != dialect.Chat {
		e.OnlyMaxField = true
		return e
	}
	e.IncludeUsage = c.Stream && !p.kind.noStreamOptions && !asked.silent
	e.DropStreamOptions = p.kind.noStreamOptions
	if p.kind.completionTokens && c.Endpoint == providers.Chat {
		e.MaxField = providers.FieldMaxCompletion
	}
	if asked.bound != "" && c.Endpoint == providers.Chat {
		e.MaxField, e.OnlyMaxField = asked.bound, true
	}
	if c.Endpoint == providers.Embeddings && c.Envelope.Base64 && !p.kind.base64 {
		e.EncodingFormat = string(providers.Floats)
	}
	return e
}

// The bounds on a stream stop an upstream that goes on for ever. A token with all its log
// probabilities takes about four thousand bytes.
const (
	longestStream = time.Hour
	bytesPerToken = 8 << 10
	bytesBesides  = 1 << 20
)

// longest bounds the bytes of a stream by the output that was asked for; 0 is no bound, for
// output that has none.
func longest(c providers.Call) int64 {
	if c.MaxOutput <= 0 {
		return 0
	}
	repeated := int64(0)
	if c.Envelope.Dialect == dialect.Responses { // whose events repeat much of the request
		repeated = 4 * int64(len(c.Envelope.Raw))
	}
	return bytesBesides + repeated + bytesPerToken*min(c.MaxOutput, tally.MaxTokens)*c.Envelope.Written(c.Endpoint)
}

const eventStream = "text/event-stream"

// Close implements providers.Provider.
func (p *Provider) Close() error {
	p.transport.Close()
	return nil
}
