package providers

// endings says which choices of a stream have begun and which have ended, where more than
// one was asked for. A choice that has ended says nothing of the others.
type endings struct {
	asked int64 // how many choices; if 0 or 1, whatever ends is the answer
	begun bits
	ended bits
	done  int64 // how many have ended
	open  int64 // how many have begun and not ended
	long  bool  // a choice came to the bound of its output
}

func newEndings(asked int64) endings {
	e := endings{asked: asked}
	if asked > 1 {
		e.begun, e.ended = newBits(asked), newBits(asked)
	}
	return e
}

// note notes a choice of an event.
func (e *endings) note(index int64, finish Finish) {
	if e == nil || e.asked <= 1 || index < 0 || index >= e.asked {
		return
	}
	if e.begun.add(index) {
		e.open++
	}
	if finish != Unfinished && e.ended.add(index) {
		e.open--
		e.done++
		e.long = e.long || finish == FinishedLength
	}
}

// finish says how all the choices have ended.
func (e *endings) finish() Finish {
	switch {
	case e.done < e.asked:
		return Unfinished
	case e.long:
		return FinishedLength
	}
	return Finished
}

// bits is a set of small numbers.
type bits []uint64

func newBits(size int64) bits { return make(bits, (size+63)/64) }

// add adds a number, and reports whether the number is new.
func (s bits) add(n int64) bool {
	word, bit := &s[n/64], uint64(1)<<(n%64)
	is := *word&bit == 0
	*word |= bit
	return is
}
