// Package messages is the dialect of Anthropic's Messages API.
package messages

import (
	"time"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// Dialect is the Messages API.
type Dialect struct{}

// Name implements dialect.Dialect.
func (Dialect) Name() dialect.Name { return dialect.Messages }

// Table implements dialect.Upstream.
func (Dialect) Table() *dialect.Table { return &table }

var table = dialect.Table{Target: dialect.Messages, Rules: [dialect.NumFeatures]dialect.Rule{
	dialect.UnknownField: dialect.Drop(""),

	dialect.Temperature:    dialect.Carry("at most 1; dropped beside thinking"),
	dialect.TopP:           dialect.Carry("dropped beside thinking or a temperature"),
	dialect.TopK:           dialect.Carry("dropped beside thinking"),
	dialect.Penalties:      dialect.Drop(""),
	dialect.LogitBias:      dialect.Drop(""),
	dialect.Logprobs:       dialect.Drop(""),
	dialect.Seed:           dialect.Drop(""),
	dialect.StopSequences:  dialect.Carry(""),
	dialect.Choices:        dialect.Deny("an answer has one choice"),
	dialect.Effort:         dialect.Carry("as an effort or a budget of thinking, for models that reason; dropped for others, beside a forced tool, and where the output has no room for it"),
	dialect.ThinkingBudget: dialect.Carry("as an effort or a budget of thinking, for models that reason; dropped for others, beside a forced tool, and where the output has no room for it"),
	dialect.JSONObjects:    dialect.Carry("as an instruction"),
	dialect.JSONSchemas:    dialect.Carry(""),
	dialect.Verbosity:      dialect.Drop(""),
	dialect.Prediction:     dialect.Drop(""),
	dialect.SpokenAnswer:   dialect.Deny(""),

	dialect.StrictTools:     dialect.Drop(""),
	dialect.CustomTools:     dialect.Carry("as a tool that takes one string"),
	dialect.Namespaces:      dialect.Carry("as part of the name"),
	dialect.ServerTools:     dialect.Deny("dropped for clients that always declare them, as Codex does"),
	dialect.WebSearch:       dialect.Deny(""),
	dialect.AllowedTools:    dialect.Deny(""),
	dialect.Functions:       dialect.Deny("functions are not taken any more; use tools"),
	dialect.NoParallelCalls: dialect.Carry(""),
	dialect.ToolCallLimit:   dialect.Drop(""),
	dialect.ToolNotes:       dialect.Own(),

	dialect.LaterSystem:      dialect.Carry("at the begin of the prompt"),
	dialect.ParticipantNames: dialect.Drop(""),
	dialect.Images:           dialect.Carry(""),
	dialect.ImageDetail:      dialect.Drop(""),
	dialect.Sound:            dialect.Deny(""),
	dialect.Files:            dialect.Carry(""),
	dialect.FileAddresses:    dialect.Carry(""),
	dialect.FileReferences:   dialect.Deny(""),
	dialect.MediaOfTools:     dialect.Carry(""),
	dialect.FailedTools:      dialect.Own(),
	dialect.OldReasoning:     dialect.Carry("if it was made there; dropped otherwise"),
	dialect.CacheMarks:       dialect.Carry(""),
	dialect.BillingBlock:     dialect.Own(),

	dialect.EndUser:        dialect.Carry(""),
	dialect.Metadata:       dialect.Drop(""),
	dialect.CacheKey:       dialect.Drop(""),
	dialect.ServiceTier:    dialect.Drop(""),
	dialect.Store:          dialect.Drop(""),
	dialect.StoredInput:    dialect.Deny("nothing is stored; send the whole history"),
	dialect.Background:     dialect.Deny("answers are not stored"),
	dialect.Threads:        dialect.Own(),
	dialect.Truncation:     dialect.Drop(""),
	dialect.Includes:       dialect.Drop(""),
	dialect.ContextEdits:   dialect.Own(),
	dialect.Speed:          dialect.Own(),
	dialect.Containers:     dialect.Own(),
	dialect.ClientMetadata: dialect.Drop(""),
}}

// AppendFailure implements dialect.Dialect.
func (Dialect) AppendFailure(dst []byte, f *dialect.Failure) []byte {
	o := wire.Begin(append(dst, `{"type":"error","error":`...))
	o.Text("type", errorType(f.Status))
	o.Text("message", f.Message)
	if f.Code != "" || f.Details != "" {
		o.Key("details")
		in := wire.Begin(o.Buf)
		if f.Code != "" {
			in.Text("error_code", f.Code)
		}
		if o.Buf = in.Buf; f.Details != "" {
			if f.Code != "" {
				o.Buf = append(o.Buf, ',')
			}
			o.Buf = append(o.Buf, f.Details...)
		}
		o.Buf = append(o.Buf, '}')
	}
	dst = o.End()
	if f.RequestID != "" {
		dst = wire.Quote(append(dst, `,"request_id":`...), f.RequestID)
	}
	return append(dst, '}')
}

func errorType(status int) string {
	switch status {
	case 401:
		return "authentication_error"
	case 402:
		return "billing_error"
	case 403:
		return "permission_error"
	case 404:
		return "not_found_error"
	case 413:
		return "request_too_large"
	case 429:
		return "rate_limit_error"
	case 529:
		return "overloaded_error"
	}
	if status >= 500 {
		return "api_error"
	}
	return "invalid_request_error"
}

// AppendModel implements dialect.Dialect.
func (Dialect) AppendModel(dst []byte, m *dialect.Model) []byte {
	o := wire.Begin(dst)
	o.Raw("type", `"model"`)
	o.Text("id", m.ID)
	o.Text("display_name", m.ID)
	o.Text("created_at", time.Unix(m.Created, 0).UTC().Format(time.RFC3339))
	return o.End()
}

// AppendModels implements dialect.Dialect.
func (d Dialect) AppendModels(dst []byte, models []dialect.Model) []byte {
	o := wire.Begin(dst)
	o.Key("data")
	var list wire.List
	for i := range models {
		o.Buf = d.AppendModel(list.Next(o.Buf), &models[i])
	}
	o.Buf = list.End(o.Buf)
	o.Raw("has_more", "false")
	if len(models) == 0 {
		o.Raw("first_id", "null")
		o.Raw("last_id", "null")
	} else {
		o.Text("first_id", models[0].ID)
		o.Text("last_id", models[len(models)-1].ID)
	}
	return o.End()
}

// AppendCount implements dialect.Dialect.
func (Dialect) AppendCount(dst []byte, tokens int64) []byte {
	o := wire.Begin(dst)
	o.Int("input_tokens", tokens)
	return o.End()
}
