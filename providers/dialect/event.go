package dialect

// Kind says what an event of an answer is.
type Kind uint8

// The kinds of events. An answer is Start; then parts, one behind the other: the pieces of
// a part of text, reasoning or refusal, or ToolBegin and its pieces, each part ended by
// PartEnd; Stop; and Usage anywhere, the last one counting.
const (
	Start     Kind = iota + 1 // ID and Model of the answer, as the upstream calls them
	Text                      // a piece of text
	Reason                    // a piece of reasoning that may be read
	Seal                      // what goes with the reasoning: Reasoning without its text
	Refusal                   // a piece of why there is no answer
	ToolBegin                 // a tool call, with ID and Name
	ToolInput                 // a piece of its arguments
	Cited                     // a Citation of the text so far
	PartEnd                   // the part is complete
	Stop                      // the answer is complete: Why
	Used                      // Usage so far
)

// Event is one step of an answer. Its receiver must not keep it.
type Event struct {
	Kind      Kind
	Text      string // of Text, Reason, Refusal and ToolInput; never empty
	ID, Name  string // of Start (the model is the Name) and ToolBegin
	Custom    bool   // of ToolBegin: the arguments are free text
	Reasoning Reasoning
	Citation  Citation
	Why       StopReason
	StoppedBy string // the stop sequence that was met, if it is known
	Usage     Usage
}

// StopReason says why an answer ends.
type StopReason uint8

// The reasons.
const (
	StopUnknown  StopReason = iota // not yet, or not said
	StopEnd                        // the model has said what it had to say, or met a stop sequence
	StopSequence                   // a stop sequence, where that is told
	StopLength                     // the bound of the output
	StopTools                      // tools are to be called
	StopFiltered                   // the model or its provider refuses
	StopContext                    // the context is full
	StopPaused                     // the upstream wants to be asked to go on
)

// Citation is where a statement comes from.
type Citation struct {
	URL, Title string
	Quote      string // what is cited
	From, To   int64  // characters of the text that cites; 0, 0 if that is not known
}

// Usage counts tokens. Input and Output are sums; the others say how much of them was of
// a special class.
type Usage struct {
	Input          int64 // of the whole prompt, read from a cache or not
	CachedInput    int64 // of Input: read from a cache
	CacheWrite     int64 // of Input: written to a cache for five minutes, or not said how long
	CacheWriteLong int64 // of Input: written to a cache for an hour
	AudioInput     int64 // of Input
	Output         int64
	Reasoning      int64 // of Output
	AudioOutput    int64 // of Output
	Searches       int64 // searches of the web, no tokens
	Known          bool  // something was told
}

// Merge takes over what a later report says. One of a stream may leave out what an earlier
// one has told, and the first may be an estimate.
func (u *Usage) Merge(o *Usage) {
	for _, n := range [...]struct {
		to   *int64
		from int64
	}{{&u.Input, o.Input}, {&u.CachedInput, o.CachedInput}, {&u.CacheWrite, o.CacheWrite}, {&u.CacheWriteLong, o.CacheWriteLong},
		{&u.AudioInput, o.AudioInput}, {&u.Output, o.Output}, {&u.Reasoning, o.Reasoning}, {&u.AudioOutput, o.AudioOutput},
		{&u.Searches, o.Searches}} {
		if n.from > 0 {
			*n.to = n.from
		}
	}
	u.Known = u.Known || o.Known
}

// Answer is a whole answer: its events collected.
type Answer struct {
	ID, Model string // as the upstream calls them
	Parts     []Part // texts, reasonings, refusals and calls
	Why       StopReason
	StoppedBy string
	Usage     Usage
}

// Collect adds an event. Calling it for every event of an answer makes the whole of it.
func (a *Answer) Collect(e *Event, c *Collector) {
	switch e.Kind {
	case Start:
		a.ID, a.Model = e.ID, e.Name
	case Stop:
		a.Why, a.StoppedBy = e.Why, e.StoppedBy
	case Used:
		a.Usage.Merge(&e.Usage)
	case PartEnd:
		if c.Open() {
			a.Parts = append(a.Parts, c.Take())
		}
	default:
		c.Add(e)
	}
}

// Collector puts the pieces of one part together.
type Collector struct {
	part Part
	text []byte
	open bool
}

// Open reports whether there is a part.
func (c *Collector) Open() bool { return c.open }

// Kind is the kind of the part.
func (c *Collector) Kind() PartKind { return c.part.Kind }

// Add adds an event of a part.
func (c *Collector) Add(e *Event) {
	c.open = true
	switch e.Kind {
	case Text:
		c.part.Kind = TextPart
	case Refusal:
		c.part.Kind = RefusalPart
	case Reason:
		c.part.Kind = ReasoningPart
	case Seal:
		r := e.Reasoning
		c.part.Kind, c.part.Reasoning = ReasoningPart, &r
	case ToolBegin:
		c.part.Kind, c.part.Call = CallPart, &Call{ID: e.ID, Name: e.Name, Custom: e.Custom}
	case Cited:
		c.part.Citations = append(c.part.Citations, e.Citation)
	}
	c.text = append(c.text, e.Text...)
}

// Take returns the part and begins the next.
func (c *Collector) Take() Part {
	p, text := c.part, string(c.text)
	switch p.Kind {
	case TextPart, RefusalPart:
		p.Text = text
	case ReasoningPart:
		if p.Reasoning == nil {
			p.Reasoning = new(Reasoning)
		}
		p.Reasoning.Text = text
	case CallPart:
		p.Call.Arguments = text
	}
	c.part, c.text, c.open = Part{}, c.text[:0], false
	return p
}
