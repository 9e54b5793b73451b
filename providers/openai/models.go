package openai

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/dialect"
	"tallygate/providers/transport"
)

// Bounds on a list of models.
const (
	maxList   = 32 << 20 // bytes; OpenRouter's has about one million
	maxModels = 20_000
)

var (
	errList  = errors.New("the list of models cannot be read")
	errLarge = errors.New("the list of models is too large")
)

// Models implements providers.Provider.
func (p *Provider) Models(ctx context.Context) ([]providers.ModelInfo, error) {
	until := time.Now().Add(p.timeout)
	r := transport.Request{
		Method: http.MethodGet, Path: "/models", Wait: p.wait(false),
		Fields: []transport.Field{{Name: "Accept", Value: "application/json"}},
	}
	if p.kind.Dialects != nil && p.kind.Dialects[0] == dialect.Messages {
		r.Path = "/models?limit=1000" // all on one page
		r.Fields = append(r.Fields, transport.Field{Name: versionField, Value: anthropicVersion})
	}
	r.Fields = append(r.Fields, transport.Field{}) // for the key
	var res *transport.Response
	var err error
	fields := r.Fields
	for key := range p.authorization {
		r.Fields = fields
		if res, err = p.withKey(ctx, &r, key); !aboutKey(err) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() // the body was read, or reading it failed
	if err := p.check(res); err != nil {
		return nil, err
	}
	res.Body.SetReadDeadline(until) // a body without deadlines does not hang
	list, err := io.ReadAll(io.LimitReader(res.Body, maxList+1))
	if err != nil {
		return nil, err
	}
	if len(list) > maxList {
		return nil, &providers.UpstreamError{Fault: providers.BadAnswer, Status: res.Status, Err: errLarge}
	}
	models, err := parseModels(list)
	if err != nil {
		return nil, &providers.UpstreamError{Fault: providers.BadAnswer, Status: res.Status, Err: err}
	}
	return models, nil
}

// listed is a model as upstreams list it. Figures are read as they are written, since some
// upstreams put them in quotes and prices must not pass through a float.
type listed struct {
	ID   string `json:"id"`
	Name string `json:"name"` // Ollama's own list has no id

	ContextLength    figure `json:"context_length"`     // OpenRouter, Together, Fireworks
	ContextWindow    figure `json:"context_window"`     // Groq
	MaxContextLength figure `json:"max_context_length"` // Mistral, LM Studio
	MaxModelLen      figure `json:"max_model_len"`      // vLLM
	MaxCompletion    figure `json:"max_completion_tokens"`
	MaxOutput        figure `json:"max_output_tokens"`
	TopProvider      struct {
		ContextLength figure `json:"context_length"`
		MaxCompletion figure `json:"max_completion_tokens"`
	} `json:"top_provider"` // OpenRouter
	Pricing json.RawMessage `json:"pricing"`
}

// figure is a number, in quotes or not; anything else is no figure and no
// fault.
type figure string

// UnmarshalJSON implements json.Unmarshaler.
func (f *figure) UnmarshalJSON(b []byte) error {
	if len(b) > 1 && b[0] == '"' {
		b = b[1 : len(b)-1]
	}
	*f = figure(b)
	return nil
}

// tokens reads a count of tokens; 0 if it is none.
func (f figure) tokens() int64 {
	n, _, ok := providers.ParseDecimal(f, 0)
	if !ok || n > tally.MaxTokens {
		return 0
	}
	return n
}

// parseModels reads a list in one of the shapes that upstreams use: an object
// with "data" (OpenAI), or with "models" (Ollama's own), or the bare list
// (Together). A list that is null is empty (Ollama without models). Entries without
// a name are left out, and of several with the same name all but the first.
func parseModels(b []byte) ([]providers.ModelInfo, error) {
	var list []json.RawMessage
	if json.Unmarshal(b, &list) != nil {
		var object struct{ Data, Models json.RawMessage }
		if err := json.Unmarshal(b, &object); err != nil || object.Data == nil && object.Models == nil {
			return nil, errList
		}
		for _, named := range []json.RawMessage{object.Data, object.Models} {
			if len(list) == 0 && named != nil && json.Unmarshal(named, &list) != nil {
				return nil, errList
			}
		}
	}
	if len(list) > maxModels {
		return nil, errLarge
	}
	models := make([]providers.ModelInfo, 0, len(list))
	seen := make(map[string]bool, len(list))
	for _, raw := range list {
		var m listed
		if json.Unmarshal(raw, &m) != nil {
			continue // an entry of a shape of its own; the others may be usable
		}
		if m.ID == "" {
			m.ID = m.Name
		}
		if m.ID == "" || seen[m.ID] {
			continue
		}
		seen[m.ID] = true
		prices, problem := prices(m.Pricing)
		models = append(models, providers.ModelInfo{
			Name:            m.ID,
			ContextTokens:   firstOf(m.TopProvider.ContextLength, m.ContextLength, m.ContextWindow, m.MaxContextLength, m.MaxModelLen),
			MaxOutputTokens: firstOf(m.TopProvider.MaxCompletion, m.MaxCompletion, m.MaxOutput),
			Prices:          prices,
			PriceProblem:    problem,
		})
	}
	return models, nil
}

// firstOf is the first of the figures that is a count.
func firstOf(figures ...figure) int64 {
	for _, f := range figures {
		if n := f.tokens(); n > 0 {
			return n
		}
	}
	return 0
}
