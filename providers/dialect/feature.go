package dialect

// Feature is something that a request may ask for and that not every dialect can say.
// What all of them can, such as text, turns and tool calls, is none.
type Feature uint8

// The features.
const (
	UnknownField Feature = iota

	Temperature
	TopP
	TopK
	Penalties
	LogitBias
	Logprobs
	Seed
	StopSequences
	Choices
	Effort
	ThinkingBudget
	JSONObjects
	JSONSchemas
	Verbosity
	Prediction
	SpokenAnswer

	StrictTools
	CustomTools
	Namespaces
	ServerTools
	WebSearch
	AllowedTools
	Functions
	NoParallelCalls
	ToolCallLimit
	ToolNotes

	LaterSystem
	ParticipantNames
	Images
	ImageDetail
	Sound
	Files
	FileAddresses
	FileReferences
	MediaOfTools
	FailedTools
	OldReasoning
	CacheMarks
	BillingBlock

	EndUser
	Metadata
	CacheKey
	ServiceTier
	Store
	StoredInput
	Background
	Threads
	Truncation
	Includes
	ContextEdits
	Speed
	Containers
	ClientMetadata

	NumFeatures
)

// features says what each feature is, in the words that a table prints.
var features = [NumFeatures]string{
	UnknownField:     "fields that are not known",
	Temperature:      "temperature",
	TopP:             "top_p",
	TopK:             "top_k",
	Penalties:        "frequency and presence penalty",
	LogitBias:        "logit_bias",
	Logprobs:         "probabilities of tokens",
	Seed:             "seed",
	StopSequences:    "stop sequences",
	Choices:          "more than one choice (n)",
	Effort:           "effort of reasoning",
	ThinkingBudget:   "thinking and its budget",
	JSONObjects:      "an answer in JSON",
	JSONSchemas:      "an answer by a JSON schema",
	Verbosity:        "verbosity",
	Prediction:       "a predicted output",
	SpokenAnswer:     "an answer in sound",
	StrictTools:      "strict tools",
	CustomTools:      "custom tools with free text",
	Namespaces:       "namespaces of tools",
	ServerTools:      "tools that the provider runs",
	WebSearch:        "web_search_options",
	AllowedTools:     "a choice among some of the tools",
	Functions:        "functions, as they were before tools",
	NoParallelCalls:  "parallel tool calls on and off",
	ToolCallLimit:    "max_tool_calls",
	ToolNotes:        "hints in tools (examples, deferred loading)",
	LaterSystem:      "instructions inside the conversation",
	ParticipantNames: "names of participants",
	Images:           "images",
	ImageDetail:      "detail of images",
	Sound:            "sound in the prompt",
	Files:            "files, inline",
	FileAddresses:    "files by address",
	FileReferences:   "files by an id at the provider",
	MediaOfTools:     "images and files of tools",
	FailedTools:      "failed tools (is_error)",
	OldReasoning:     "earlier reasoning",
	CacheMarks:       "marks for the prompt cache",
	BillingBlock:     "Claude Code's billing block",
	EndUser:          "the end user's name",
	Metadata:         "metadata",
	CacheKey:         "prompt_cache_key",
	ServiceTier:      "service_tier",
	Store:            "store",
	StoredInput:      "earlier answers, prompts and conversations by id",
	Background:       "answers in the background",
	Threads:          "threads",
	Truncation:       "truncation",
	Includes:         "include",
	ContextEdits:     "context_management",
	Speed:            "speed",
	Containers:       "containers and MCP servers",
	ClientMetadata:   "client_metadata",
}

func (f Feature) String() string { return features[f] }
