package providers

import (
	"bytes"
	"strings"

	"tallygate/engine/tally"
)

// Some callers must not see what the owner pays. There is no list of all the names
// under which upstreams tell it, nor of the places, so for these callers every
// member of an answer goes whose key speaks of money, wherever it stands. What the
// model wrote is left alone: it is in strings, or below one of the keys that hold
// output.

// Credits are what a caller pays, to be put into the usage object at [From, To) of
// an answer; nothing is put anywhere if To is 0.
type Credits struct {
	From, To int
	Amount   tally.NanoUSD
}

// moneyWords are what the keys that tell of money contain, whatever their case.
var moneyWords = [...]string{"cost", "price", "tick", "bill", "spend", "spent", "credit", "charge", "usd"}

// HideCosts appends a well-formed JSON answer without the members that tell of
// money, and with credits where they belong: in the place of the usage object's
// "cost", as a number or as an object with "total_cost" as the upstream has it,
// or as its last member. All that stays is left byte for byte.
func HideCosts(dst, answer []byte, c Credits) []byte {
	h := hider{dst: dst, b: answer, credits: c}
	h.value(space(answer, 0), 0, false)
	return append(h.dst, answer[h.from:]...)
}

// HideCostsInEvents does the same to a block of whole events of a [Stream].
func HideCostsInEvents(dst, block []byte, c Credits) []byte {
	h := hider{dst: dst, b: block, credits: c}
	for i := 0; i < len(block); {
		ev := nextEvent(block, i)
		if ev.lines == 1 {
			// What only looks like JSON has no members that could be told apart.
			if at := ev.data + space(block[ev.data:ev.dataEnd], 0); at < ev.dataEnd && block[at] == '{' && skipValue(block[:ev.dataEnd], at, 0) > 0 {
				h.besides(ev.start, ev.data)
				h.value(at, 0, false)
				h.besides(ev.dataEnd, ev.end)
				i = ev.end
				continue
			}
		}
		h.besides(ev.start, ev.end)
		i = ev.end
	}
	return append(h.dst, block[h.from:]...)
}

// hider copies what may be seen of b to dst.
type hider struct {
	dst     []byte
	b       []byte
	from    int // of what is not copied yet
	credits Credits
}

// drop leaves out [from, to), but for what is left out of it already.
func (h *hider) drop(from, to int) {
	if from > h.from {
		h.dst = append(h.dst, h.b[h.from:from]...)
	}
	h.from = max(h.from, to)
}

// besides drops the lines of an event beside its data that tell of money: they are
// comments and names, and no reader misses one.
func (h *hider) besides(from, to int) {
	for from < to {
		n := bytes.IndexByte(h.b[from:to], '\n') + 1
		if n == 0 {
			return
		}
		if hasMoneyWord(h.b[from : from+n]) {
			h.drop(from, from+n)
		}
		from += n
	}
}

// value walks over a value as skipValue does. below is whether it is one of the
// choices or in one.
func (h *hider) value(i, depth int, below bool) int {
	switch kindAt(h.b, i) {
	case '{':
		return h.object(i, depth+1, below)
	case '[':
		return eachElement(h.b, i, depth+1, func(i int) int { return h.value(i, depth+1, below) })
	}
	return skipValue(h.b, i, depth)
}

func (h *hider) object(i, depth int, below bool) int {
	put := h.credits.To > 0 && i == h.credits.From
	kept := -1 // the end of the last member that stays
	end := eachMember(h.b, i, depth, func(key []byte, i int) int {
		if !tellsOfMoney(key) {
			if below && isOutput(key) {
				kept = skipValue(h.b, i, depth)
			} else {
				kept = h.value(i, depth, below || depth == 1 && string(key) == "choices")
			}
			return kept
		}
		end := skipValue(h.b, i, depth)
		switch {
		case end < 0:
		case put && string(key) == "cost":
			put, kept = false, end
			h.drop(i, end)
			h.putCredits(h.b[i] == '{')
		case kept >= 0:
			h.drop(kept, end) // with the comma before it
		default:
			to := end
			if next := space(h.b, end); kindAt(h.b, next) == ',' {
				to = space(h.b, next+1)
			}
			h.drop(keyStart(h.b, key, i), to)
		}
		return end
	})
	if put && end > 0 {
		h.drop(end-1, end-1)
		if kept >= 0 {
			h.dst = append(h.dst, ',')
		}
		h.dst = append(h.dst, costKey...)
		h.putCredits(false)
	}
	return end
}

func (h *hider) putCredits(object bool) {
	if !object {
		h.dst = appendUSD(h.dst, h.credits.Amount)
		return
	}
	h.dst = append(h.dst, `{"total_cost":`...)
	h.dst = append(appendUSD(h.dst, h.credits.Amount), '}')
}

// isOutput reports whether what stands under a key of a choice was written by the
// model. The probabilities of legacy completions have its tokens as keys.
func isOutput(key []byte) bool {
	switch string(key) {
	case "logprobs", "parsed", "input":
		return true
	}
	is := meaningOf(key)
	return is == itsOutput || is == itsThought
}

// tellsOfMoney reports whether a key speaks of money. One with escapes is decoded,
// as it can spell anything; one that cannot be is taken for one.
func tellsOfMoney(key []byte) bool {
	if verbatim(key) {
		return hasMoneyWord(key)
	}
	name, ok := unquote(append(append([]byte{'"'}, key...), '"'))
	return !ok || hasMoneyWord([]byte(strings.ToLower(name)))
}

// hasMoneyWord reports whether a text contains one of the words in any case.
func hasMoneyWord(s []byte) bool {
	for i, c := range s {
		if !startsMoney[c] {
			continue
		}
		for _, word := range moneyWords {
			if len(s)-i >= len(word) && s[i+1]|0x20 == word[1] && foldsTo(s[i:i+len(word)], word) {
				return true
			}
		}
	}
	return false
}

// startsMoney are the letters with which one of the words begins.
var startsMoney = func() (set [256]bool) {
	for _, word := range moneyWords {
		set[word[0]], set[word[0]-'a'+'A'] = true, true
	}
	return set
}()

// foldsTo reports whether a text is a word of lower-case letters, in any case.
func foldsTo(s []byte, word string) bool {
	for i, c := range s {
		if c|0x20 != word[i] {
			return false
		}
	}
	return true
}
