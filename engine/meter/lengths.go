package meter

import (
	"math/bits"
	"sync"

	"tallygate/engine/tally"
)

// lengths remembers how long answers were lately, so that the holds of others cut no
// answer shorter than answers usually are.
type lengths struct {
	mu sync.Mutex // guards the field that follows, and all it leads to
	of map[lengthKey]*length
}

// lengthKey says whose answers of which model are remembered; an empty of stands for
// everybody's.
type lengthKey struct {
	of    tally.ID
	model string
}

const (
	remembered   = 256    // answers
	enoughKnown  = 20     // answers, from which their lengths tell
	unknownFloor = 2048   // output tokens
	leastFloor   = 256    // output tokens
	mostLengths  = 10_000 // pairs; beyond that all are forgotten and learned anew
	lengthSteps  = 4      // classes for each doubling
	lengthClass  = 27 * lengthSteps
)

// length is the latest answers of a pair, by class of length.
type length struct {
	ring  [remembered]uint8
	n     int // seen
	count [lengthClass]uint16
}

// classOf is the class of a length: its end is at most a quarter of a doubling
// above it.
func classOf(tokens int64) uint8 {
	n := uint64(max(tokens, 1))
	doubling := bits.Len64(n) - 1
	quarter := 0
	if doubling >= 2 {
		quarter = int(n>>(doubling-2)) & 3
	}
	return uint8(min(doubling*lengthSteps+quarter, lengthClass-1))
}

// endOf is the longest of a class.
func endOf(class int) int64 {
	doubling, quarter := class/lengthSteps, int64(class%lengthSteps)
	if doubling < 2 {
		return 1<<(doubling+1) - 1
	}
	return (quarter+5)<<(doubling-2) - 1
}

func (x *length) add(tokens int64) {
	at := x.n % remembered
	if x.n >= remembered {
		x.count[x.ring[at]]--
	}
	x.ring[at] = classOf(tokens)
	x.count[x.ring[at]]++
	x.n++
}

// floor is one and a half times the length that one answer in a hundred exceeds.
func (x *length) floor() int64 {
	above := min(x.n, remembered) / 100
	for class := lengthClass - 1; class >= 0; class-- {
		if above -= int(x.count[class]); above < 0 {
			return max(endOf(class)*3/2, leastFloor)
		}
	}
	return leastFloor
}

// learn takes notice of an answer that ended by itself.
func (l *lengths) learn(of tally.ID, model string, tokens int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range [...]lengthKey{{of, model}, {"", model}} {
		x := l.of[k]
		if x == nil {
			if len(l.of) >= mostLengths {
				clear(l.of)
			}
			x = &length{}
			l.of[k] = x
		}
		x.add(tokens)
	}
}

// floor is the least output per choice that is worth waiting for.
func (l *lengths) floor(of tally.ID, model string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range [...]lengthKey{{of, model}, {"", model}} {
		if x := l.of[k]; x != nil && x.n >= enoughKnown {
			return x.floor()
		}
	}
	return unknownFloor
}

// lengthOf is the owner under whom a principal's answers are remembered.
func lengthOf(p *tally.Principal) tally.ID {
	switch {
	case p.Client != nil:
		return p.Client.ID
	case p.Token != nil:
		return tally.ID(p.Token.Name())
	}
	return p.Gateway.ID
}
