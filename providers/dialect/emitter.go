package dialect

// MaxAnswer bounds the texts of one answer, in bytes: a writer may have to keep them all.
const MaxAnswer = 64 << 20

// Emitter makes the events of an answer in their order: a reader says what it has read,
// and parts begin and end by themselves. The zero Emitter is ready once To is set.
type Emitter struct {
	To func(*Event)

	event   Event
	open    Kind // of the part that has begun: Text, Reason, Refusal, ToolBegin; 0 for none
	begun   bool
	stopped bool
	bytes   int
}

func (e *Emitter) emit(kind Kind) {
	e.event.Kind = kind
	e.To(&e.event)
	e.event = Event{}
}

// Begin begins the answer, once.
func (e *Emitter) Begin(id, model string) {
	if e.begun {
		return
	}
	e.begun = true
	e.event.ID, e.event.Name = id, model
	e.emit(Start)
}

// Begun reports whether the answer has begun.
func (e *Emitter) Begun() bool { return e.begun }

// Stopped reports whether the answer is complete.
func (e *Emitter) Stopped() bool { return e.stopped }

// Piece gives a piece of a part of a kind: Text, Reason, or Refusal. Empty pieces are no
// parts. Behind the end of the answer there are no parts any more; what an upstream still
// says there is passed over.
func (e *Emitter) Piece(kind Kind, text string) {
	if text == "" || e.stopped {
		return
	}
	e.enter(kind)
	e.bytes += len(text)
	e.event.Text = text
	e.emit(kind)
}

// Input gives a piece of the arguments of the tool call that has begun.
func (e *Emitter) Input(text string) {
	if text == "" || e.open != ToolBegin {
		return
	}
	e.bytes += len(text)
	e.event.Text = text
	e.emit(ToolInput)
}

// Tool begins a tool call.
func (e *Emitter) Tool(id, name string, custom bool) {
	if e.stopped {
		return
	}
	e.EndPart()
	e.enter(ToolBegin)
	e.bytes += len(id) + len(name)
	e.event.ID, e.event.Name, e.event.Custom = id, name, custom
	e.emit(ToolBegin)
}

// Seal gives what goes with the reasoning that was read, or a hidden one.
func (e *Emitter) Seal(r Reasoning) {
	if e.stopped {
		return
	}
	e.enter(Reason)
	r.Text = ""
	e.bytes += len(r.Opaque)
	e.event.Reasoning = r
	e.emit(Seal)
}

// Cite gives a citation of the text that was read.
func (e *Emitter) Cite(c Citation) {
	if c.URL == "" || e.stopped {
		return
	}
	e.enter(Text)
	e.bytes += len(c.URL) + len(c.Title) + len(c.Quote)
	e.event.Citation = c
	e.emit(Cited)
}

// Use tells of usage.
func (e *Emitter) Use(u Usage) {
	e.Begin("", "")
	e.event.Usage = u
	e.emit(Used)
}

// Stop completes the answer, once.
func (e *Emitter) Stop(why StopReason, by string) {
	e.EndPart()
	e.Begin("", "")
	if e.stopped {
		return
	}
	e.stopped = true
	e.event.Why, e.event.StoppedBy = why, by
	e.emit(Stop)
}

// EndPart ends the part that has begun, if one has.
func (e *Emitter) EndPart() {
	if e.open != 0 {
		e.open = 0
		e.emit(PartEnd)
	}
}

// Open is the kind of the part that has begun: Text, Reason, Refusal, ToolBegin; 0 for none.
func (e *Emitter) Open() Kind { return e.open }

func (e *Emitter) enter(kind Kind) {
	if e.open != kind {
		e.EndPart()
		e.Begin("", "")
		e.open = kind
	}
}

// Check is the failure of an answer that has grown too large, nil before.
func (e *Emitter) Check() error {
	if e.bytes > MaxAnswer {
		return BadAnswer("the upstream's answer is longer than %d MiB", MaxAnswer>>20)
	}
	return nil
}
