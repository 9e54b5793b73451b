// Package chat is the dialect of OpenAI's chat completions, which most upstreams speak.
//
// What others than OpenAI have added to it is understood where it bears on the answer:
// reasoning in reasoning_content, reasoning or reasoning_details, and usage in several
// spellings.
package chat

import "tallygate/providers/dialect"

// Dialect is chat completions.
type Dialect struct{ dialect.OpenAI }

// Name implements dialect.Dialect.
func (Dialect) Name() dialect.Name { return dialect.Chat }

// Table implements dialect.Upstream.
func (Dialect) Table() *dialect.Table { return &table }

var table = dialect.Table{Target: dialect.Chat, Rules: [dialect.NumFeatures]dialect.Rule{
	dialect.UnknownField: dialect.Drop(""),

	dialect.Temperature:    dialect.Carry(""),
	dialect.TopP:           dialect.Carry(""),
	dialect.TopK:           dialect.Drop(""),
	dialect.Penalties:      dialect.Carry(""),
	dialect.LogitBias:      dialect.Own(),
	dialect.Logprobs:       dialect.Drop(""),
	dialect.Seed:           dialect.Carry(""),
	dialect.StopSequences:  dialect.Carry(""),
	dialect.Choices:        dialect.Own(),
	dialect.Effort:         dialect.Carry("as reasoning_effort, for models that reason; dropped for others"),
	dialect.ThinkingBudget: dialect.Carry("as reasoning_effort, for models that reason; dropped for others"),
	dialect.JSONObjects:    dialect.Carry(""),
	dialect.JSONSchemas:    dialect.Carry(""),
	dialect.Verbosity:      dialect.Carry("for models that reason; dropped for others"),
	dialect.Prediction:     dialect.Own(),
	dialect.SpokenAnswer:   dialect.Own(),

	dialect.StrictTools:     dialect.Carry(""),
	dialect.CustomTools:     dialect.Carry("as a function that takes one string"),
	dialect.Namespaces:      dialect.Carry("as part of the name"),
	dialect.ServerTools:     dialect.Deny("dropped for clients that always declare them, as Codex does"),
	dialect.WebSearch:       dialect.Own(),
	dialect.AllowedTools:    dialect.Deny(""),
	dialect.Functions:       dialect.Own(),
	dialect.NoParallelCalls: dialect.Carry(""),
	dialect.ToolCallLimit:   dialect.Drop(""),
	dialect.ToolNotes:       dialect.Drop(""),

	dialect.LaterSystem:      dialect.Carry(""),
	dialect.ParticipantNames: dialect.Own(),
	dialect.Images:           dialect.Carry(""),
	dialect.ImageDetail:      dialect.Carry(""),
	dialect.Sound:            dialect.Carry(""),
	dialect.Files:            dialect.Carry(""),
	dialect.FileAddresses:    dialect.Deny("a file must be sent inline"),
	dialect.FileReferences:   dialect.Deny(""),
	dialect.MediaOfTools:     dialect.Carry("as a message of the user behind the results"),
	dialect.FailedTools:      dialect.Carry(`as a result that begins with "Error: "`),
	dialect.OldReasoning:     dialect.Carry("for upstreams that take it back; dropped for others"),
	dialect.CacheMarks:       dialect.Drop(""),
	dialect.BillingBlock:     dialect.Drop(""),

	dialect.EndUser:        dialect.Carry("names of up to 64 bytes; longer ones are dropped"),
	dialect.Metadata:       dialect.Drop(""),
	dialect.CacheKey:       dialect.Drop(""),
	dialect.ServiceTier:    dialect.Carry(""),
	dialect.Store:          dialect.Drop(""),
	dialect.StoredInput:    dialect.Deny("nothing is stored; send the whole history"),
	dialect.Background:     dialect.Deny("answers are not stored"),
	dialect.Threads:        dialect.Deny(""),
	dialect.Truncation:     dialect.Drop(""),
	dialect.Includes:       dialect.Drop(""),
	dialect.ContextEdits:   dialect.Drop(""),
	dialect.Speed:          dialect.Drop(""),
	dialect.Containers:     dialect.Deny(""),
	dialect.ClientMetadata: dialect.Drop(""),
}}
