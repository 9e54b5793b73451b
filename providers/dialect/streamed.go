package dialect

import "tallygate/providers/dialect/wire"

// Streamed is what readers of answers that come as server-sent events have in common. On must
// be set.
type Streamed struct {
	Emitter
	On   func(name, data []byte) error // an event
	Last func()                        // the stream is over; nil if that says nothing

	events wire.Events
}

// Push implements Reader.
func (s *Streamed) Push(in []byte, emit func(*Event)) error {
	s.To = emit
	return Split(s.events.Push(in, s.On))
}

// End implements Reader.
func (s *Streamed) End(emit func(*Event)) error {
	s.To = emit
	if err := s.events.End(s.On); err != nil {
		return err
	}
	if s.Last != nil {
		s.Last()
	}
	if !s.Stopped() {
		return Cut()
	}
	return nil
}
