package providers

// Envelope is a request body that has been looked at once and not decoded: the
// raw bytes, and where the few fields are that the gateway or a provider must
// know or replace. Everything else passes through untouched.
//
// [Peek] makes one. Offsets are into Raw.
type Envelope struct {
	Raw []byte

	Model     string
	Stream    bool
	MaxTokens int64 // max_tokens or max_completion_tokens; -1 if absent or null
	// MaxField is the field that gave MaxTokens; "" if absent.
	MaxField     string
	Choices      int64 // n, at least 1
	BestOf       int64 // best_of of legacy completions, at least 1
	Prompts      int64 // prompts in "prompt" or inputs in "input" that are answered one by one, at least 1
	IncludeUsage bool  // stream_options.include_usage
	Base64       bool  // encoding_format is "base64"
	RemoteMedia  bool  // refers to images, audio or files that are not in the body
	// Session is the end user named by the body, from the first present of
	// user, metadata.{session_id,user_id,wa_id,phone}, safety_identifier,
	// conversation; "" if none.
	Session string

	model, stream, maxTokens, maxCompletion, streamOptions, encodingFormat span
	end                                                                    int // offset of the closing brace
	empty                                                                  bool
}

// span is a top-level value [From, To) in the raw body; zero if absent. KeyFrom
// is where its key's opening quote is.
type span struct{ KeyFrom, From, To int }

func (s span) present() bool { return s.To > 0 }
