package providers

import (
	"bytes"
	"encoding/json"
	"html"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"tallygate/engine/tally"
)

// Bounds on what is kept of an upstream's words, in bytes.
const (
	maxMessage = 2000
	maxTerm    = 200 // of a type, a code, the name of a parameter
	maxSaid    = 16 << 10
)

// KeyMark stands in words where an upstream has repeated an API key.
const KeyMark = "[API key]"

// WordsOf reads what an upstream says of a failure, in any of these shapes: an object with
// "error" (OpenAI, Anthropic), a list of such objects (Gemini), a "detail" (FastAPI), a
// "message", one of these as text in another, an event, plain text, or a web page, of which
// the title counts. A body that is cut short is read as far as it goes. Nothing of the text
// stays that a terminal obeys, nor any of the API keys, nor what looks like one.
func WordsOf(body []byte, keys ...string) Words {
	var w Words
	w.readText(body, 0)
	w.Message = cleaned(w.Message, maxMessage, keys)
	for _, term := range [...]*string{&w.Type, &w.Code, &w.Param} {
		*term = cleaned(*term, maxTerm, keys)
	}
	return w
}

// zero reports whether nothing was said.
func (w *Words) zero() bool { return *w == Words{} }

// deepestWords bounds how deep words stand within other words.
const deepestWords = 8

func (w *Words) readText(body []byte, depth int) {
	body = bytes.Trim(body, " \t\r\n\ufeff")
	switch {
	case len(body) == 0:
	case body[0] == '<':
		w.Message = titleOf(body)
	case body[0] == '{', body[0] == '[', body[0] == '"':
		w.read(body, 0, depth)
	default:
		if data := dataIn(body); data != nil {
			w.readText(data, depth+1)
		} else {
			w.Message = string(body[:min(len(body), maxSaid)])
		}
	}
}

// dataIn is the data of the first event of a stream, nil if a text is not a stream.
func dataIn(text []byte) []byte {
	if !beginsEvents(text) {
		return nil
	}
	text = append(text[:len(text):len(text)], "\n\n"...)
	for i := 0; i < len(text); {
		ev := nextEvent(text, i)
		if data := text[ev.data:ev.dataEnd]; len(data) > 0 && !beginsEvents(data) {
			return data
		}
		i = ev.end
	}
	return nil
}

// titleOf is the title of a web page.
func titleOf(page []byte) string {
	page = page[:min(len(page), maxSaid)]
	lower := bytes.ToLower(page)
	from := bytes.Index(lower, []byte("<title"))
	if from < 0 || len(lower) != len(page) { // lower case can be longer
		return ""
	}
	open := bytes.IndexByte(page[from:], '>')
	if open < 0 {
		return ""
	}
	from += open + 1
	to := bytes.Index(lower[from:], []byte("</title"))
	if to < 0 {
		return ""
	}
	return html.UnescapeString(string(page[from : from+to]))
}

// read reads the words of a value at i, and returns the offset behind it; negative
// where the text is malformed or cut.
func (w *Words) read(b []byte, i, depth int) int {
	if depth > deepestWords {
		return skipValue(b, i, depth)
	}
	switch kindAt(b, i) {
	case '"':
		text, end := looseText(b, i)
		if begin := strings.TrimLeft(text, " \n"); begin != "" && (begin[0] == '{' || begin[0] == '[') {
			if w.readText([]byte(text), depth+1); w.Message != "" {
				return end
			}
		}
		if text != "" {
			w.Message = text
		}
		return end
	case '[':
		return eachElement(b, i, depth+1, func(i int) int {
			var one Words
			end := one.read(b, i, depth+1)
			if w.Message != "" && one.Message != "" && len(w.Message) < maxMessage {
				one.Message = w.Message + "; " + one.Message
				w.Message = ""
			}
			w.fill(one)
			return end
		})
	case '{':
		return w.readObject(b, i, depth)
	}
	return skipValue(b, i, depth)
}

// fill takes over those words that are not known yet.
func (w *Words) fill(from Words) {
	for _, part := range [...]struct {
		to   *string
		from string
	}{{&w.Message, from.Message}, {&w.Type, from.Type}, {&w.Code, from.Code}, {&w.Param, from.Param}} {
		if *part.to == "" {
			*part.to = part.from
		}
	}
}

// readObject reads the words of an object. Several members may hold the same word; the
// first one that says something counts.
func (w *Words) readObject(b []byte, i, depth int) int {
	var parts [4]Words
	var own, raw Words
	place, status := "", ""
	end := eachMember(b, i, depth+1, func(key []byte, i int) int {
		name := strings.ToLower(string(key)) // .NET writes "Message"
		switch name {
		case "error", "errors":
			return parts[0].read(b, i, depth+1)
		case "response": // which has failed
			if kindAt(b, i) == '{' {
				return parts[0].read(b, i, depth+1)
			}
		case "message", "msg":
			return parts[1].read(b, i, depth+1)
		case "detail":
			return parts[2].read(b, i, depth+1)
		case "error_description", "error_message", "errormessage", "error_msg", "status_msg", "description", "title", "base_resp":
			return parts[3].read(b, i, depth+1)
		case "choices":
			return eachChoice(b, i, depth+1, func(key []byte, i int) int {
				if string(key) == "error" {
					return parts[0].read(b, i, depth+3)
				}
				return skipValue(b, i, depth+3)
			})
		case "metadata": // OpenRouter's, with the words of the upstream behind it
			if kindAt(b, i) == '{' {
				return eachMember(b, i, depth+2, func(key []byte, i int) int {
					if string(key) == "raw" {
						return raw.read(b, i, depth+2)
					}
					return skipValue(b, i, depth+2)
				})
			}
		case "loc":
			if kindAt(b, i) == '[' {
				return eachElement(b, i, depth+2, func(i int) int {
					part, end := termAt(b, i, depth+2)
					if part != "" && part != "body" {
						place = strings.TrimPrefix(place+"."+part, ".")
					}
					return end
				})
			}
		case "type", "code", "status_code", "status", "param":
			term, end := termAt(b, i, depth+1)
			switch name {
			case "type":
				own.Type = term
			case "param":
				own.Param = term
			case "status": // Gemini's is a word
				status = term
			default:
				own.Code = term
			}
			return end
		}
		return skipValue(b, i, depth+1)
	})
	if own.Type == "error" { // the type says no more than that the object is an error
		own.Type = ""
	}
	if status == strings.ToUpper(status) && status != "" && (own.Code == "" || isDigits(own.Code) && !isDigits(status)) {
		own.Code = status
	}
	for _, part := range parts {
		w.fill(part)
	}
	if place != "" && w.Message != "" {
		w.Message = place + ": " + w.Message
		own.Param = place
	}
	if raw.Message != "" {
		w.Message = strings.TrimPrefix(w.Message+": "+raw.Message, ": ")
	}
	w.fill(own)
	return end
}

// eachChoice walks over the members of each element of a list of choices.
func eachChoice(b []byte, i, depth int, visit func(key []byte, i int) int) int {
	if kindAt(b, i) != '[' {
		return skipValue(b, i, depth)
	}
	return eachElement(b, i, depth+1, func(i int) int {
		if kindAt(b, i) != '{' {
			return skipValue(b, i, depth+1)
		}
		return eachMember(b, i, depth+2, visit)
	})
}

// termAt is a text or a number at i, "" for anything else, and the offset behind it.
func termAt(b []byte, i, depth int) (string, int) {
	if kindAt(b, i) == '"' {
		return looseText(b, i)
	}
	end := skipValue(b, i, depth)
	if end < 0 || b[i] != '-' && b[i]-'0' > 9 {
		return "", end
	}
	return string(b[i:end]), end
}

// looseText reads the string at i, even if the string is cut or not quite JSON.
func looseText(b []byte, i int) (text string, end int) {
	end = skipString(b, i+1)
	inner := b[i+1:]
	if end > 0 {
		inner = b[i+1 : end-1]
	}
	if end < 0 || len(inner) > maxSaid {
		inner = inner[:min(len(inner), maxSaid)]
		if n := bytes.LastIndexByte(inner, '\\'); n >= 0 && len(inner)-n < len(`\u0000`) { // an escape that is cut
			inner = bytes.TrimRight(inner[:n], `\`)
		}
	}
	quoted := append(append([]byte{'"'}, inner...), '"')
	if json.Unmarshal(quoted, &text) != nil {
		text = string(inner)
	}
	return text, end
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// cleaned is a text in one line of characters that can be shown, without keys, cut to
// so many bytes.
func cleaned(s string, most int, keys []string) string {
	if s == "" {
		return ""
	}
	s = cutText(s, 4*most) // a key that is cut in half is still a key
	s = tally.Printable(strings.Join(strings.Fields(s), " "))
	return cutText(withoutKeys(s, keys), most)
}

// cutText cuts a text to so many bytes.
func cutText(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-len("…")], "") + "…"
}

const (
	keyPart  = 8 // characters of a key that give it away
	shortKey = 4 // what is shorter is a word that stands for none
)

// withoutKeys replaces keys, parts of them, forms in which they are shown in part, and
// whatever looks like a key.
func withoutKeys(s string, keys []string) string {
	for _, key := range keys {
		s = withoutKey(s, key)
	}
	return looksLikeKey().ReplaceAllStringFunc(s, func(found string) string {
		if _, after, ok := strings.Cut(found, " "); ok && !strings.ContainsAny(after, "0123456789*_-") {
			return found // "bearer authentication"
		}
		return KeyMark
	})
}

var (
	looksLikeKey = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\bbearer [^\s"',;)]{6,}|\bsk-[^\s"',;)]*`)
	})
	// masked are words with some of their letters left out.
	masked = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`([^\s"'(:=]*?)(?:\*{2,}|\.{3,}|…|•{2,})+([^\s"'),;:]*)`)
	})
)

// HoldsKey reports whether data holds one of some keys, or begins with what shows part of a
// key.
func HoldsKey(data []byte, keys []string) bool {
	begin := strings.ToValidUTF8(string(data[:min(len(data), maxSaid)]), "?")
	return slices.ContainsFunc(keys, func(key string) bool {
		return withoutKey(begin, key) != begin || len(key) >= shortKey && bytes.Contains(data, []byte(key))
	})
}

// withoutKey replaces a key in a text of valid UTF-8.
func withoutKey(s, key string) string {
	if len(key) < shortKey {
		return s
	}
	size := min(len(key), keyPart)
	lower, of := asciiLower(s), asciiLower(key)
	var out strings.Builder
	kept := 0
	for i := 0; i+size <= len(s); i++ {
		if !strings.Contains(of, lower[i:i+size]) {
			continue
		}
		end := i + size
		for end < len(s) && strings.Contains(of, lower[end-size+1:end+1]) {
			end++
		}
		out.WriteString(s[kept:i])
		out.WriteString(KeyMark)
		kept, i = end, end-1
	}
	if kept > 0 {
		s = out.String() + s[kept:]
	}
	return masked().ReplaceAllStringFunc(s, func(found string) string {
		parts := masked().FindStringSubmatch(found)
		before, after := asciiLower(parts[1]), strings.TrimRight(asciiLower(parts[2]), ".!?]}")
		if len(before) >= 2 && strings.HasPrefix(of, before) || len(after) >= 3 && strings.HasSuffix(of, after) {
			return KeyMark
		}
		return found
	})
}

// asciiLower is a text of the same length in lower case.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r-'A' < 26 && r >= 'A' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// TellsAmount reports whether words speak of an amount of money. Callers who pay something
// else than the owner must not read such words.
func (w *Words) TellsAmount() bool {
	for _, s := range [...]string{w.Message, w.Type, w.Code, w.Param} {
		if s != "" && utf8.ValidString(s) && namesAmount([]byte(`"`+s+`"`)) {
			return true
		}
	}
	return false
}

// IsRefusal reports whether a body is a refusal in the shape that clients of every dialect
// know, an object with an error that has a type and a message, and says nothing of money. A nil body
// is none.
func IsRefusal(body []byte) bool {
	i := space(body, 0)
	if kindAt(body, i) != '{' || skipValue(body, i, 1) < 0 {
		return false
	}
	err := member(body, i, "error")
	if !err.present() || body[err.From] != '{' {
		return false
	}
	for _, name := range [...]string{"type", "message"} {
		if said := member(body, err.From, name); !said.present() || body[said.From] != '"' {
			return false
		}
	}
	return !bytes.ContainsAny(body, currencySigns) && !hasMoneyWord(body)
}
