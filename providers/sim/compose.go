package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"tallygate/providers"
)

// answer is what the pretend model says. Its texts are escaped as the insides
// of JSON strings from the start: they are counted, cut and sent in pieces,
// and no piece is escaped again.
type answer struct {
	chat    bool
	id      string // escaped
	model   string // escaped
	created int64  // Unix seconds
	choices []choice

	promptTokens, completionTokens int64
}

// choice is one of the n alternatives.
type choice struct {
	text   []byte // what is said, or the arguments of the call
	tool   []byte // the name of the tool that is called, nil if none is
	callID string
	tokens int64
	finish string // OpenAI's finish_reason
}

// seed is what a choice is made from: the same for the same prompt.
type seed [sha256.Size]byte

func (s seed) id() string { return hex.EncodeToString(s[:12]) }

// answer composes the choices of a chat or of completions.
func (r *request) answer(c providers.Call) (*answer, error) {
	a := &answer{chat: c.Endpoint == providers.Chat, model: string(escaped(c.Model)), created: time.Now().Unix()}
	prompts := []json.RawMessage{nil}
	if !a.chat {
		prompts = several(r.Prompt)
	}
	n := max(int(c.Envelope.Choices), 1)
	if len(prompts)*n > maxAnswers {
		return nil, refuse("n", "too many choices: prompts × n may be 2048 at most")
	}
	granted := c.MaxOutput
	if own := c.Envelope.MaxTokens; own > 0 {
		granted = min(granted, own)
	}
	a.choices = make([]choice, 0, len(prompts)*n)
	for i := range prompts {
		var text string
		if a.chat {
			text, _ = r.lastUser()
			a.promptTokens += r.promptTokens()
		} else {
			text = decoded(prompts[i])
			a.promptTokens += max(1, quarter(len(prompts[i])))
		}
		s := seed(sha256.Sum256([]byte(text)))
		if i == 0 {
			a.id = identity(c, s)
		}
		for range n {
			ch := r.choice(c, text, s)
			ch.cut(granted)
			a.completionTokens += ch.tokens
			a.choices = append(a.choices, ch)
			s = sha256.Sum256(s[:]) // the next choice says something else
		}
	}
	return a, nil
}

// identity names an answer after the request where that has an ID.
func identity(c providers.Call, s seed) string {
	prefix := "cmpl-"
	if c.Endpoint == providers.Chat {
		prefix = "chatcmpl-"
	}
	if c.RequestID == "" {
		return prefix + s.id()
	}
	return prefix + string(escaped(c.RequestID))
}

// choice composes one choice, of whatever length.
func (r *request) choice(c providers.Call, text string, s seed) choice {
	if t := r.chosen(); t != nil {
		return choice{
			text: escaped(string(sample(t.Function.Parameters))), tool: escaped(t.Function.Name),
			callID: "call_" + s.id(), finish: "tool_calls",
		}
	}
	if r.ResponseFormat.Type == "json_schema" {
		return choice{text: escaped(string(sample(r.ResponseFormat.Schema.Schema))), finish: "stop"}
	}
	said := speak(c.Model, text, s)
	if r.ResponseFormat.Type == "json_object" {
		object := append([]byte(`{"pretend": true, "answer": `), quote(said)...)
		return choice{text: escaped(string(append(object, '}'))), finish: "stop"}
	}
	return choice{text: escaped(said), finish: "stop"}
}

// cut counts the tokens of a choice, and ends the choice before it has more than granted;
// granted 0 is no bound. Pieces end before a space. Each piece counts a token for every
// four bytes of it, so the count is never lower than what the gateway would estimate.
func (c *choice) cut(granted int64) {
	if granted <= 0 {
		granted = 1 << 62
	}
	if c.tokens = quarter(len(c.tool)); c.tokens > granted {
		*c = choice{finish: "length"}
		return
	}
	for at := 0; at < len(c.text); {
		n := piece(c.text[at:])
		if c.tokens+quarter(n) > granted {
			c.text, c.finish = c.text[:at], "length"
			return
		}
		c.tokens += quarter(n)
		at += n
	}
}

// piece is the length of the first piece of a text that is not empty: a word
// with the spaces before it.
func piece(text []byte) int {
	if i := bytes.IndexByte(text[1:], ' '); i >= 0 {
		return i + 1
	}
	return len(text)
}

// maxEcho bounds how much of the prompt an answer repeats, in bytes.
const maxEcho = 120

// speak writes a text that says that it is pretend, repeats the prompt, and goes on for as
// long as is asked.
func speak(model, prompt string, s seed) string {
	sentences := 1
	if model == Large {
		sentences = 4
	}
	asked := prompt[:min(len(prompt), 1<<10)]
	if contains(strings.ToLower(asked), "long", "story", "essay", "in detail") {
		sentences = len(story)
	}
	var b strings.Builder
	b.Grow(256 + 90*sentences)
	b.WriteString("This is tallygate's pretend model ")
	b.WriteString(model)
	b.WriteString("; no real model was asked.")
	if echo := shorten(prompt); echo != "" {
		b.WriteString(` You said: "`)
		b.WriteString(echo)
		b.WriteString(`".`)
	}
	// An odd stride visits each of the sentences, of which there are a power of
	// two, once.
	at, stride := int(s[0]), int(s[1])|1
	for i := range sentences {
		b.WriteByte(' ')
		b.WriteString(story[(at+i*stride)%len(story)])
	}
	return b.String()
}

// shorten takes the beginning of a text, in one line.
func shorten(text string) string {
	more := len(text) > maxEcho
	if more {
		text = text[:maxEcho]
	}
	text = strings.ToValidUTF8(text, "") // the text may have been cut inside a character
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if more {
		text = strings.TrimSpace(text) + " …"
	}
	return text
}

// quote writes a text as a JSON string.
func quote(text string) []byte {
	quoted, _ := json.Marshal(text) // a string cannot fail
	return quoted
}

// escaped writes a text as the insides of a JSON string.
func escaped(text string) []byte {
	quoted := quote(text)
	return quoted[1 : len(quoted)-1]
}

// story is what the pretend model has to tell.
var story = [16]string{
	"In a town by the sea stood a gate, and beside the gate sat a clerk who counted whatever went through.",
	"Every cart that came was written down before it passed, with its owner and the most it might cost.",
	"When the cart came back, the clerk crossed out the guess and wrote the truth beside it.",
	"Merchants who had spent their allowance were told so kindly, and told the day on which it began anew.",
	"One winter the roof fell in at night, and in the morning the book still agreed with the market to the penny.",
	"A stranger once claimed to have paid already; the clerk turned three pages back and smiled.",
	"The harbour bell rang each hour, and with each hour a fresh column was ruled in blue ink.",
	"Some said the clerk never slept, but it was only that the book was closed after every line.",
	"There were two roads to the mountains, and if one was blocked the carts took the other, counted once.",
	"Children threw pebbles over the wall to see whether they would be counted; they were not, for nobody had asked.",
	"On market days a thousand carts waited, and not one more passed than the mayor had allowed.",
	"The clerk's apprentice learned to add before she learned to hurry, and then she learned to hurry as well.",
	"A cart that turned round half-way paid for half of the way, and its driver thought that fair.",
	"Nobody in the town could remember a quarrel about a bill that had lasted longer than a cup of tea.",
	"In spring the book was full, so a new one was begun with the old one's sums on its first page.",
	"And the gate stood open, as gates should, to everyone who could be counted on.",
}
