package dialect

import "tallygate/providers/dialect/wire"

// Request is what a caller asks a model for, in words that no dialect owns. What a
// dialect cannot say is absent; the zero value of a field is always "not said".
//
// Values of type wire.Value and the texts cut from them may share the memory of the body
// that was parsed, which must not change while the Request is in use.
type Request struct {
	// From is the dialect that the request was parsed from.
	From  Name
	Model string
	Turns []Turn

	Tools    []Tool
	Choice   Choice
	Parallel Maybe // more than one tool call in an answer

	Format    Format
	Verbosity string // low, medium, high

	MaxOutput   int64 // tokens; 0: not said
	Temperature Number
	TopP        Number
	TopK        int64
	Frequency   Number // penalty
	Presence    Number // penalty
	Seed        Number
	Stop        []string
	Choices     int64 // answers wanted; 0 and 1 are one

	Effort   string // none, minimal, low, medium, high, xhigh, max
	Thinking Thinking

	User     string     // the caller's name for its end user
	Metadata wire.Value // an object of strings
	CacheKey string     // requests with the same one share a prompt
	Tier     string     // as the caller spells it

	Stream bool
	// StreamUsage is whether a caller that gets usage only when it asks has asked.
	StreamUsage bool

	// Uses are the features that were found in the request, each with the caller's name
	// for it: what a target cannot carry is told by that name.
	Uses []Use

	byName map[string]int // index in Tools, made when it is first needed
}

// Number is the text of a JSON number, "" if it was not said, so that what passes through
// is exactly what was written.
type Number string

// Maybe is a switch that may be left alone.
type Maybe uint8

// The positions of a switch.
const (
	Unsaid Maybe = iota
	No
	Yes
)

// MaybeOf is Yes or No by a JSON value, Unsaid for any other.
func MaybeOf(v wire.Value) Maybe {
	switch v.Kind() {
	case 't':
		return Yes
	case 'f':
		return No
	}
	return Unsaid
}

// Role says whose turn it is.
type Role uint8

// The roles. What tools answered is part of the user's turn.
const (
	System Role = iota // also what is said by the developer, wherever in the conversation
	User
	Assistant
)

// Turn is what one side says at a time.
type Turn struct {
	Role  Role
	Name  string // of the participant, where several share a role
	Parts []Part
}

// PartKind says what a part is.
type PartKind uint8

// The kinds of parts.
const (
	TextPart PartKind = iota
	ImagePart
	AudioPart
	FilePart
	CallPart      // of an assistant
	ResultPart    // of a user, for a call before
	ReasoningPart // of an assistant
	RefusalPart   // of an assistant: why it does not answer
)

// Part is a piece of a turn. Only the fields of its kind are set.
type Part struct {
	Kind      PartKind
	Text      string     // of TextPart and RefusalPart
	Media     *Media     // of ImagePart, AudioPart and FilePart
	Call      *Call      // of CallPart
	Result    *Result    // of ResultPart
	Reasoning *Reasoning // of ReasoningPart
	Citations []Citation
	// Cache asks to keep the prompt up to and with this part: "5m", "1h", "" for not.
	Cache string
}

// Media is an image, a sound or a file: inline or by its address.
type Media struct {
	Type   string // such as image/png; "" if it is not known
	Data   string // base64 without line breaks, for inline ones
	Text   string // of a file that is plain text and inline
	URL    string // http or https
	Name   string // of a file
	Detail string // of an image: low, high, auto
}

// Call is a tool call.
type Call struct {
	ID   string
	Name string // as the tool is named in Request.Tools
	// Arguments are JSON text as the model wrote it, which may not be JSON, or the free
	// text of a custom tool.
	Arguments string
	Custom    bool
}

// Result is what a tool answered.
type Result struct {
	CallID string
	Parts  []Part // texts, images and files
	Failed bool
	Custom bool // of a custom tool
}

// Reasoning is what a model thought.
type Reasoning struct {
	ID   string // of the item; "" in dialects without ids
	Text string // what may be read of it; "" if nothing
	// Opaque proves the thought to who made it, a signature, or is the thought itself in a
	// form that only they can read (then Hidden). Origin is the dialect it was made in: to
	// any other it is worth nothing.
	Opaque string
	Origin Name
	Hidden bool
}

// Tool is a function that the caller runs.
type Tool struct {
	Name        string // unique in the request, at most 64 letters, digits, _ and -
	Description string
	Schema      wire.Value // of the arguments; nil if there is none
	Strict      Maybe
	Cache       string // as in Part
	// Custom tools take free text, which Grammar describes (an object), if it is there.
	Custom  bool
	Grammar wire.Value
	// Namespace and Own are the two names of which Name was made; Own alone is the
	// caller's name for a tool whose Name had to be shortened. Both are "" otherwise.
	Namespace string
	Own       string
}

// ChoiceMode says which tools may be called.
type ChoiceMode uint8

// The modes.
const (
	AnyChoice   ChoiceMode = iota // not said, which is as auto
	AutoChoice                    // the model decides
	NoChoice                      // none
	MustChoice                    // one of them
	NamedChoice                   // the one named
)

// Choice says which tools may be called.
type Choice struct {
	Mode ChoiceMode
	Name string // of NamedChoice
}

// FormatKind says what form an answer has.
type FormatKind uint8

// The forms.
const (
	AnyFormat FormatKind = iota
	JSONObject
	JSONSchema
)

// Format is the form of an answer.
type Format struct {
	Kind        FormatKind
	Name        string
	Description string
	Schema      wire.Value // of JSONSchema
	Strict      Maybe
}

// ThinkingMode says whether a model thinks before it answers.
type ThinkingMode uint8

// The modes.
const (
	AnyThinking ThinkingMode = iota
	NoThinking
	BudgetThinking   // with a budget of tokens
	AdaptiveThinking // as the model sees fit
)

// Thinking bounds what a model thinks.
type Thinking struct {
	Mode   ThinkingMode
	Budget int64 // tokens, of BudgetThinking
	// Summary is how much of it the caller wants to read: auto, concise, detailed, omitted.
	Summary string
}

// Use is a feature that a request uses, and the caller's name for it.
type Use struct {
	Feature Feature
	Field   string
}

// mostUses bounds how often one feature is noted by different names.
const mostUses = 64

// Use notes that the request uses a feature by this name.
func (r *Request) Use(f Feature, field string) {
	again := false
	for i := range r.Uses {
		if r.Uses[i].Feature == f {
			if again = true; r.Uses[i].Field == field {
				return
			}
		}
	}
	if !again || len(r.Uses) < mostUses {
		r.Uses = append(r.Uses, Use{f, field})
	}
}

// Used reports whether the request uses a feature.
func (r *Request) Used(f Feature) bool {
	for i := range r.Uses {
		if r.Uses[i].Feature == f {
			return true
		}
	}
	return false
}
