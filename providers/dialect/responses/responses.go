// Package responses is the dialect of OpenAI's Responses API, without what an upstream
// would have to store.
package responses

import "tallygate/providers/dialect"

// Dialect is the Responses API.
type Dialect struct{ dialect.OpenAI }

// Name implements dialect.Dialect.
func (Dialect) Name() dialect.Name { return dialect.Responses }

// Table implements dialect.Upstream.
func (Dialect) Table() *dialect.Table { return &table }

var table = dialect.Table{Target: dialect.Responses, Rules: [dialect.NumFeatures]dialect.Rule{
	dialect.UnknownField: dialect.Drop(""),

	dialect.Temperature:    dialect.Carry(""),
	dialect.TopP:           dialect.Carry(""),
	dialect.TopK:           dialect.Drop(""),
	dialect.Penalties:      dialect.Drop(""),
	dialect.LogitBias:      dialect.Drop(""),
	dialect.Logprobs:       dialect.Drop(""),
	dialect.Seed:           dialect.Drop(""),
	dialect.StopSequences:  dialect.Deny("it knows no stop sequences"),
	dialect.Choices:        dialect.Deny("an answer has one choice"),
	dialect.Effort:         dialect.Carry("for models that reason; dropped for others"),
	dialect.ThinkingBudget: dialect.Carry("as an effort, for models that reason; dropped for others"),
	dialect.JSONObjects:    dialect.Carry(""),
	dialect.JSONSchemas:    dialect.Carry(""),
	dialect.Verbosity:      dialect.Carry("for models that reason; dropped for others"),
	dialect.Prediction:     dialect.Drop(""),
	dialect.SpokenAnswer:   dialect.Deny(""),

	dialect.StrictTools:     dialect.Carry(""),
	dialect.CustomTools:     dialect.Carry(""),
	dialect.Namespaces:      dialect.Own(),
	dialect.ServerTools:     dialect.Deny("dropped for clients that always declare them, as Codex does"),
	dialect.WebSearch:       dialect.Deny(""),
	dialect.AllowedTools:    dialect.Deny(""),
	dialect.Functions:       dialect.Deny("functions are not taken any more; use tools"),
	dialect.NoParallelCalls: dialect.Carry(""),
	dialect.ToolCallLimit:   dialect.Own(),
	dialect.ToolNotes:       dialect.Drop(""),

	dialect.LaterSystem:      dialect.Carry(""),
	dialect.ParticipantNames: dialect.Drop(""),
	dialect.Images:           dialect.Carry(""),
	dialect.ImageDetail:      dialect.Carry(""),
	dialect.Sound:            dialect.Deny(""),
	dialect.Files:            dialect.Carry(""),
	dialect.FileAddresses:    dialect.Carry(""),
	dialect.FileReferences:   dialect.Deny(""),
	dialect.MediaOfTools:     dialect.Carry(""),
	dialect.FailedTools:      dialect.Carry(`as a result that begins with "Error: "`),
	dialect.OldReasoning:     dialect.Carry("if it was made there, for models that reason; dropped otherwise"),
	dialect.CacheMarks:       dialect.Drop(""),
	dialect.BillingBlock:     dialect.Drop(""),

	dialect.EndUser:        dialect.Carry("names of up to 64 bytes; longer ones are dropped"),
	dialect.Metadata:       dialect.Carry(""),
	dialect.CacheKey:       dialect.Carry(""),
	dialect.ServiceTier:    dialect.Carry(""),
	dialect.Store:          dialect.Drop(""),
	dialect.StoredInput:    dialect.Own(),
	dialect.Background:     dialect.Own(),
	dialect.Threads:        dialect.Deny(""),
	dialect.Truncation:     dialect.Own(),
	dialect.Includes:       dialect.Own(),
	dialect.ContextEdits:   dialect.Drop(""),
	dialect.Speed:          dialect.Drop(""),
	dialect.Containers:     dialect.Deny(""),
	dialect.ClientMetadata: dialect.Own(),
}}
