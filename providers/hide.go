package providers

import (
	"bytes"
	"strings"

	"tallygate/engine/tally"
	"tallygate/providers/dialect"
)

// Some callers must not see what the owner pays. There is no list of all the names
// under which upstreams tell it, nor of the places, so these rules hold for them:
//
//   - a member of an answer whose key speaks of money is left out, wherever it stands;
//   - a number in a usage object is left out if it is neither a count nor a time;
//   - a text beside the answer that speaks of an amount of money is replaced;
//   - an event keeps nothing but its data, since comments and names can say anything; in a
//     dialect whose events have names it gets that of its type.
//
// What the model wrote is left alone. It is in strings below the choices, or below one of
// the keys that hold objects of the model's own.
//
// Visitors of a page see even less: only the members of an answer that are known, and so
// none of an upstream's words about errors.

// View is what a caller may see of an answer.
type View struct {
	Dialect dialect.Name // of the answer; "" is chat completions
	// Amount is what the caller pays, to be put into the usage object at [From, To) of
	// the answer; it is put nowhere if To is 0.
	From, To int
	Amount   tally.NanoUSD
	// Known is whether only members that are known are seen.
	Known bool
	// OnlyErrors is whether nothing is hidden but what tells of a failure, or may tell of
	// one: all members of the answer that are not known.
	OnlyErrors bool
}

// HideCosts appends a well-formed JSON answer without the members that tell of money, and
// with what the caller pays. That amount takes the place of the usage object's "cost", as a
// number or as an object with "total_cost" as the upstream has it. If there is no "cost",
// the amount becomes the last member of the usage object. All that stays is left byte for
// byte. What is nested too deep is not appended.
func HideCosts(dst, answer []byte, v View) []byte {
	h := hider{dst: dst, b: answer, view: v}
	if h.value(space(answer, 0), 0, besideAnswer) < 0 {
		return dst
	}
	return append(h.dst, answer[h.from:]...)
}

// HideCostsInEvents does to a block of whole events of a [Stream] what [HideCosts] does to
// an answer. An event of which nothing is left becomes an empty comment, which keeps
// connections alive.
func HideCostsInEvents(dst, block []byte, v View) []byte {
	h := hider{dst: dst, b: block, view: v}
	for i := 0; i < len(block); {
		ev := nextEvent(block, i)
		h.event(ev)
		i = ev.end
	}
	return append(h.dst, block[h.from:]...)
}

// hider copies what may be seen of b to dst.
type hider struct {
	dst  []byte
	b    []byte
	from int // where the part begins that is not copied yet
	view View
	left bool // whether a member of the last answer is left
}

// scope is where a value stands.
type scope uint8

const (
	besideAnswer scope = iota
	inTheUsage
	inTheAnswer
	wrapped // beside the answer, in an object of an event
)

// drop leaves out [from, to), except what of it is left out already.
func (h *hider) drop(from, to int) {
	if from > h.from {
		h.dst = append(h.dst, h.b[h.from:from]...)
	}
	h.from = max(h.from, to)
}

func (h *hider) event(ev event) {
	end := ev.end - 1 // the end of the event's lines, without the empty one
	if end > ev.start && h.b[end-1] == '\r' {
		end--
	}
	h.drop(ev.start, ev.start)
	before := len(h.dst)
	if h.left = false; ev.lines == 1 {
		line := ev.start + bytes.LastIndexByte(h.b[ev.start:ev.data], '\n') + 1
		h.drop(ev.start, line)
		h.name(ev)
		if at := ev.data + space(h.b[ev.data:ev.dataEnd], 0); at == ev.dataEnd || h.b[at] != '{' {
			h.left = h.shows(h.b[at:ev.dataEnd])
		} else {
			block := h.b
			h.b = block[:ev.dataEnd] // a value that is no JSON ends with its event
			if to := h.value(at, 0, besideAnswer); to < 0 || space(h.b, to) < ev.dataEnd {
				h.left = false // no members could be told apart
			}
			h.b = block
		}
		next := ev.dataEnd + bytes.IndexByte(h.b[ev.dataEnd:ev.end], '\n') + 1
		h.drop(next, end)
	}
	if !h.left && end > ev.start {
		h.dst = append(h.dst[:before], ":\n"...)
		h.from = end
	}
}

// shows reports whether data that is no object may be seen: the end marker may, and words
// that are not about money. Visitors see only the end marker.
func (h *hider) shows(data []byte) bool {
	if data = bytes.TrimRight(data, " \t"); len(data) == 0 || string(data) == "[DONE]" {
		return true
	}
	return !h.view.Known && bytes.IndexByte(data, '\\') < 0 && !hasMoneyWord(data) && !bytes.ContainsAny(data, currencySigns)
}

// value walks over a value as skipValue does.
func (h *hider) value(i, depth int, in scope) int {
	switch kindAt(h.b, i) {
	case '{':
		return h.object(i, depth+1, in)
	case '[':
		return eachElement(h.b, i, depth+1, func(i int) int { return h.value(i, depth+1, in) })
	case '"':
		end := skipString(h.b, i+1)
		if in != inTheAnswer && !h.view.OnlyErrors && end > 0 && namesAmount(h.b[i:end]) {
			h.drop(i, end)
			h.dst = append(h.dst, hiddenText...)
		}
		return end
	}
	return skipValue(h.b, i, depth)
}

// hiddenText stands where a text was that speaks of an amount of money.
const hiddenText = `"(The provider's words are about money, and not passed on.)"`

func (h *hider) object(i, depth int, in scope) int {
	put := h.view.To > 0 && i == h.view.From
	kept := -1 // the end of the last member that stays
	end := eachMember(h.b, i, depth, func(key []byte, i int) int {
		if put && string(key) == "cost" {
			end := skipValue(h.b, i, depth)
			if end > 0 {
				put, kept = false, end
				h.drop(i, end)
				h.putAmount(h.b[i] == '{')
			}
			return end
		}
		if !h.hides(key, i, depth, in) {
			if within, owned := h.scopeOf(key, depth, in); owned {
				kept = skipValue(h.b, i, depth)
			} else {
				kept = h.value(i, depth, within)
			}
			return kept
		}
		end := skipValue(h.b, i, depth)
		switch {
		case end < 0:
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
		h.putAmount(false)
	}
	h.left = kept >= 0 || put
	return end
}

func (h *hider) putAmount(object bool) {
	if !object {
		h.dst = appendUSD(h.dst, h.view.Amount)
		return
	}
	h.dst = append(h.dst, `{"total_cost":`...)
	h.dst = append(appendUSD(h.dst, h.view.Amount), '}')
}

// hides reports whether a member is not to be seen.
func (h *hider) hides(key []byte, i, depth int, in scope) bool {
	outer := depth == 1 || in == wrapped
	if outer && string(key) == "error" && !h.isChat() {
		return kindAt(h.b, i) != 'n' && (h.view.OnlyErrors || h.view.Known)
	}
	switch {
	case h.view.OnlyErrors:
		return outer && !h.isKnown(key) || tellsOfFailure(key)
	case tellsOfMoney(key):
		return true
	case in == inTheUsage && isFraction(h.b, i) && !tellsOfCount(key):
		return true
	case !h.view.Known:
		return false
	case outer:
		return !h.isKnown(key)
	}
	return tellsOfFailure(key)
}

// tellsOfFailure reports whether a key speaks of an error. A key with escapes counts as one
// that does, since it can spell anything.
func tellsOfFailure(key []byte) bool { return !verbatim(key) || containsFold(key, "error") }

// isFraction reports whether a value is a number that is not written as a whole one,
// or a string that reads as one.
func isFraction(b []byte, i int) bool {
	point := false
	if kindAt(b, i) == '"' {
		i++
	}
	from := i
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c == '.' || i > from && c|0x20 == 'e':
			point = true
		case c-'0' > 9 && c != '-' && c != '+':
			return point && (c == '"' || c == ',' || c == '}' || c <= ' ')
		}
	}
	return false
}

// tellsOfCount reports whether the key of a number says that the number is a count of
// tokens, or a time.
func tellsOfCount(key []byte) bool {
	for _, word := range [...]string{"token", "time", "latency", "duration", "second"} {
		if containsFold(key, word) {
			return true
		}
	}
	return bytes.HasSuffix(key, []byte("_ms"))
}

func containsFold(s []byte, word string) bool {
	for i := range len(s) - len(word) + 1 {
		if foldsTo(s[i:i+len(word)], word) {
			return true
		}
	}
	return false
}

const currencySigns = "$\u20ac\u00a3\u00a5\u20b9"

// namesAmount reports whether a quoted text of several words speaks of an amount of
// money.
func namesAmount(quoted []byte) bool {
	s := quoted[1 : len(quoted)-1]
	if !verbatim(s) {
		if text, ok := unquote(quoted); ok {
			s = []byte(text)
		}
	}
	if len(s) < 2 || !bytes.ContainsAny(s, "0123456789") {
		return false
	}
	return bytes.ContainsAny(s, currencySigns) || bytes.IndexByte(s, ' ') >= 0 && hasMoneyWord(s)
}

// tellsOfMoney reports whether a key speaks of money. A key with escapes is decoded, since
// it can spell anything. A key that cannot be decoded counts as one that speaks of money.
func tellsOfMoney(key []byte) bool {
	if verbatim(key) {
		return hasMoneyWord(key)
	}
	name, ok := unquote(append(append([]byte{'"'}, key...), '"'))
	return !ok || hasMoneyWord([]byte(strings.ToLower(name)))
}

// moneyWords are what the keys that tell of money contain, in any case of letters.
// moneyTerms are those that are too short to look for within a word.
var (
	moneyWords = [...]string{"cost", "pric", "tick", "bill", "spend", "spent", "credit", "charge", "usd",
		"amount", "balance", "payment", "money", "dollar", "currenc", "tariff", "quota"}
	moneyTerms = [...]string{"fee", "fees", "cent", "cents", "rates", "paid", "eur", "euro", "euros", "gbp", "cny", "rmb", "jpy", "inr", "krw", "brl", "chf", "cad", "aud"}
)

// hasMoneyWord reports whether a text contains one of the words or terms in any case.
func hasMoneyWord(s []byte) bool {
	for i, c := range s {
		for _, m := range moneyBy[c] {
			end := i + len(m.word)
			if len(s) < end || s[i+1]|0x20 != m.word[1] || !foldsTo(s[i:end], m.word) {
				continue
			}
			if !m.term || (i == 0 || !sameWord(s[i-1], c)) && (len(s) == end || !sameWord(s[end-1], s[end])) {
				return true
			}
		}
	}
	return false
}

type moneyWord struct {
	word string
	term bool
}

// moneyBy is both lists by the letters that the words begin with.
var moneyBy = func() (by [256][]moneyWord) {
	add := func(m moneyWord) {
		for _, c := range [...]byte{m.word[0], m.word[0] - 'a' + 'A'} {
			by[c] = append(by[c], m)
		}
	}
	for _, word := range moneyWords {
		add(moneyWord{word, false})
	}
	for _, word := range moneyTerms {
		add(moneyWord{word, true})
	}
	return by
}()

// sameWord reports whether a word goes on from one letter to the next: words are
// separated by anything else, or begin with a capital.
func sameWord(a, b byte) bool {
	return (a|0x20)-'a' < 26 && (b|0x20)-'a' < 26 && (a-'A' < 26 || b-'a' < 26)
}

// foldsTo reports whether a text is a word of lower-case letters, in any case.
func foldsTo(s []byte, word string) bool {
	for i, c := range s {
		if c|0x20 != word[i] {
			return false
		}
	}
	return true
}
