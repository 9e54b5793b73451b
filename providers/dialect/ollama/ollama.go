// Package ollama is the dialect of the daemon's /api/chat, for clients only: upstreams of
// that kind speak chat completions as well. Its streams are lines of JSON.
package ollama

import (
	"time"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// Dialect is /api/chat.
type Dialect struct{}

// Name implements dialect.Dialect.
func (Dialect) Name() dialect.Name { return dialect.Ollama }

// AppendFailure implements dialect.Dialect.
func (Dialect) AppendFailure(dst []byte, f *dialect.Failure) []byte {
	return append(wire.Quote(append(dst, `{"error":`...), f.Message), '}')
}

// AppendModel implements dialect.Dialect: an entry of /api/tags.
func (Dialect) AppendModel(dst []byte, m *dialect.Model) []byte {
	o := wire.Begin(dst)
	o.Text("name", m.ID)
	o.Text("model", m.ID)
	o.Text("modified_at", instant(m.Created))
	o.Raw("size", "0")
	o.Raw("digest", `""`)
	o.Raw("details", `{"parent_model":"","format":"","family":"","families":null,"parameter_size":"","quantization_level":""}`)
	return o.End()
}

// AppendModels implements dialect.Dialect: the answer of /api/tags.
func (d Dialect) AppendModels(dst []byte, models []dialect.Model) []byte {
	dst = append(dst, `{"models":`...)
	var list wire.List
	for i := range models {
		dst = d.AppendModel(list.Next(dst), &models[i])
	}
	return append(list.End(dst), '}')
}

// AppendCount implements dialect.Dialect.
func (Dialect) AppendCount(dst []byte, tokens int64) []byte {
	o := wire.Begin(dst)
	o.Int("prompt_eval_count", tokens)
	return o.End()
}

func instant(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }
