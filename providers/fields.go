package providers

import (
	"fmt"
	"strings"

	"tallygate/engine/tally"
	"tallygate/providers/dialect"
)

// known are the fields whose meaning must be beyond doubt.
var known = [...]string{"model", "stream", FieldMaxTokens, FieldMaxCompletion, FieldMaxOutput, "stream_options", "encoding_format",
	"n", "best_of", "models", "service_tier", "prompt", "input", "user", "metadata", "safety_identifier", "conversation",
	"messages", "tools", "plugins", "search_parameters", "modalities", "cache_control", "speed", "max_tool_calls", "prediction",
	"reasoning", "thinking", "thinking_budget", "echo", "prompt_cache_key", "background"}

// foldedKey decodes a key that is not plain. It returns the field that the key spells with
// escapes, "" if that is none of ours. It returns an error if a decoder that folds case
// would take the key for one of ours.
func foldedKey(key []byte, off int) (string, error) {
	name, ok := unquote(append(append([]byte{'"'}, key...), '"'))
	if !ok {
		return "", tally.Errorf(tally.Invalid, "the key at offset %d is not a valid JSON string", off)
	}
	for _, k := range known {
		if name == k {
			return k, nil
		}
		if strings.EqualFold(name, k) {
			return "", tally.Errorf(tally.Invalid, "the field %q must be written %q", name, k)
		}
	}
	for k, r := range roles {
		if r >= referField && name != k && strings.EqualFold(name, k) && roles[name] == unknownField {
			return "", tally.Errorf(tally.Invalid, "the field %q must be written %q", name, k)
		}
	}
	return "", nil
}

// read takes the values of the fields that walk found.
func (e *Envelope) read(b []byte) error {
	if err := e.readModel(b); err != nil {
		return err
	}
	var err error
	if e.Stream, err = boolean(b, e.stream, "stream"); err != nil {
		return err
	}
	if err := e.readMax(b); err != nil {
		return err
	}
	if e.choices.present() && !e.choices.null(b) {
		if e.Choices, err = integer(b, e.choices, "n", maxChoices); err != nil {
			return err
		}
	}
	if e.bestOf.present() && !e.bestOf.null(b) {
		if e.BestOf, err = integer(b, e.bestOf, "best_of", maxChoices); err != nil {
			return err
		}
	}
	if err := e.readStreamOptions(b); err != nil {
		return err
	}
	if e.encodingFormat.present() && !e.encodingFormat.null(b) {
		v := e.encodingFormat.of(b)
		if v[0] != '"' {
			return wrongType("encoding_format", "a string")
		}
		s, _ := unquote(v)
		e.Base64 = s == "base64"
	}
	prompts := [...]span{e.prompt, e.input}
	if e.Dialect == dialect.Responses { // whose input is one prompt, however many items it has
		prompts[1] = span{}
		if e.Background, err = boolean(b, e.background, "background"); err != nil {
			return err
		}
	}
	for _, s := range prompts {
		if s.present() && b[s.From] == '[' {
			e.Prompts = max(e.Prompts, elements(b, s.From))
		}
		if s.present() && holdsObject(b, s) { // a picture to embed, or a prompt by its name
			e.Content.refers(nil, "the input")
		}
		if e.Dialect == dialect.Responses && s.present() && !s.null(b) { // which has tools of its own
			e.extra(Extra{Field: "prompt", Count: -1, Fetches: true, Rounds: -1})
		}
	}
	if e.Prompts > maxPrompts {
		return tally.Errorf(tally.Invalid, "the request has %d inputs; at most %d are allowed", e.Prompts, maxPrompts)
	}
	if err := e.readPricing(b); err != nil {
		return err
	}
	e.readSession(b)
	e.readExtras(b)
	e.readOutput(b)
	if s := e.conversation; s.present() && !s.null(b) {
		e.Content.refers([]byte("conversation"), "the request")
	}
	return nil
}

// holdsObject reports whether a value is an object, or a list that has one, however deep.
func holdsObject(b []byte, s span) bool {
	found := b[s.From] == '{'
	if b[s.From] == '[' {
		elementsOf(b, s.From, func(s span) bool {
			found = holdsObject(b, s)
			return !found
		})
	}
	return found
}

// readOutput takes what bears on how much output there may be.
func (e *Envelope) readOutput(b []byte) {
	if s := e.prediction; s.present() && !s.null(b) {
		e.Predicted = int64(s.To - s.From)
	}
	budget := func(s span) {
		if s.present() && b[s.From]-'0' <= 9 {
			if n, err := integer(b, s, "thinking", tally.MaxTokens); err == nil {
				e.Thinking = max(e.Thinking, n)
			}
		}
	}
	budget(e.thinkingBudget)
	for _, of := range [...]span{e.reasoning, e.thinking} {
		if of.present() && b[of.From] == '{' {
			members(b, of.From, func(key []byte, s span) bool {
				if string(key) == "max_tokens" || string(key) == "budget_tokens" {
					budget(s)
				}
				return true
			})
		}
	}
}

// readPricing refuses what would make an upstream charge the prices of another model, or of
// a tier that nobody knows. The bound of the request would not be true then.
func (e *Envelope) readPricing(b []byte) error {
	if s := e.models; s.present() && says(b, s.From) { // OpenRouter's, to fall back on
		return tally.Errorf(tally.Invalid, `"models" is not taken, since a request is priced by one model; name it in "model"`)
	}
	if !e.tier.present() || e.tier.null(b) {
		return nil
	}
	v := e.tier.of(b)
	if v[0] != '"' {
		return wrongType("service_tier", "a string")
	}
	switch tier, _ := unquote(v); tier {
	case "auto", "default", "standard", "standard_only", "on_demand":
		return nil
	case "flex", "priority":
		e.Tier = tally.Tier(tier)
		return nil
	default:
		return tally.Errorf(tally.Invalid, `"service_tier" %.60q is not taken: its prices are not those of the price book; leave it out`, tier)
	}
}

func (e *Envelope) readModel(b []byte) error {
	if !e.model.present() || e.model.null(b) {
		e.Model = ""
		return nil
	}
	v := e.model.of(b)
	if v[0] != '"' {
		return wrongType("model", "a string")
	}
	if inner := v[1 : len(v)-1]; string(inner) == e.Model && verbatim(inner) {
		return nil // as in the last body: nothing to copy
	}
	s, ok := unquote(v)
	if !ok {
		return tally.Errorf(tally.Invalid, `"model" is not a valid JSON string`)
	}
	e.Model = s
	return nil
}

func (e *Envelope) readMax(b []byte) error {
	e.MaxField = ""
	echo := e.echo.present() && b[e.echo.From] == 't' // nothing but the prompt is to be written then
	for _, f := range [...]struct {
		span
		name string
		own  *int64
	}{
		{e.maxCompletion, FieldMaxCompletion, &e.ownMaxCompletion}, {e.maxTokens, FieldMaxTokens, &e.ownMaxTokens},
		{e.maxOutput, FieldMaxOutput, &e.ownMaxOutput},
	} {
		if !f.present() || f.null(b) {
			continue
		}
		n, err := count(b, f.span, f.name, tally.MaxTokens)
		if err == nil && n == 0 && !echo {
			err = tooSmall(f.name)
		}
		if err != nil {
			return err
		}
		if *f.own = n; n > e.MaxTokens {
			e.MaxTokens, e.MaxField = n, f.name
		}
	}
	return nil
}

func (e *Envelope) readStreamOptions(b []byte) error {
	if !e.streamOptions.present() || e.streamOptions.null(b) {
		return nil
	}
	if b[e.streamOptions.From] != '{' {
		return wrongType("stream_options", "an object")
	}
	e.emptyOptions = true
	var fault error
	members(b, e.streamOptions.From, func(key []byte, s span) bool {
		e.emptyOptions = false
		if !plain(key) {
			name, ok := unquote(b[s.KeyFrom : s.KeyFrom+len(key)+2])
			switch {
			case !ok:
				fault = tally.Errorf(tally.Invalid, "the key at offset %d is not a valid JSON string", s.KeyFrom)
			case strings.EqualFold(name, "include_usage"):
				fault = tally.Errorf(tally.Invalid, `the field %.60q of "stream_options" must be written "include_usage"`, name)
			}
			return fault == nil
		}
		if string(key) != "include_usage" {
			return true
		}
		if e.includeUsage.present() {
			fault = tally.Errorf(tally.Invalid, `the field "include_usage" of "stream_options" occurs twice`)
			return false
		}
		e.includeUsage = s
		e.IncludeUsage, fault = boolean(b, s, "stream_options.include_usage")
		return fault == nil
	})
	return fault
}

// members calls f for each member of the object at i, until f returns false or the
// text is malformed. Spans are offsets in b.
func members(b []byte, i int, f func(key []byte, s span) bool) {
	for i = space(b, i+1); kindAt(b, i) == '"'; i = space(b, i+1) {
		from := i
		if i = skipString(b, i+1); i < 0 {
			return
		}
		key := b[from+1 : i-1]
		if i = space(b, i); kindAt(b, i) != ':' {
			return
		}
		start := space(b, i+1)
		if i = skipValue(b, start, 1); i < 0 || !f(key, span{from, start, i}) {
			return
		}
		if i = space(b, i); kindAt(b, i) != ',' {
			return
		}
	}
}

// elementsOf calls f for each element of the array at i, until f returns false or the
// text is malformed.
func elementsOf(b []byte, i int, f func(span) bool) {
	for i = space(b, i+1); kindAt(b, i) != ']'; i = space(b, i+1) {
		from := i
		if i = skipValue(b, i, 1); i < 0 || !f(span{From: from, To: i}) {
			return
		}
		if i = space(b, i); kindAt(b, i) != ',' {
			return
		}
	}
}

// elements counts the prompts in a well-formed array at i. Each element is a prompt, except
// that numbers are the tokens of a single prompt.
func elements(b []byte, i int) int64 {
	n := int64(0)
	elementsOf(b, i, func(s span) bool {
		if c := b[s.From]; c != '-' && c-'0' > 9 {
			n++
		}
		return true
	})
	return n
}

// boolean reads true, false or null.
func boolean(b []byte, s span, name string) (bool, error) {
	if !s.present() {
		return false, nil
	}
	switch b[s.From] {
	case 't':
		return true, nil
	case 'f', 'n':
		return false, nil
	}
	return false, wrongType(name, "true or false")
}

// integer reads a count of at least 1.
func integer(b []byte, s span, name string, largest int64) (int64, error) {
	n, err := count(b, s, name, largest)
	if err == nil && n == 0 {
		err = tooSmall(name)
	}
	return n, err
}

// count reads a count, which may be written as 100.0 or 1e2.
func count(b []byte, s span, name string, largest int64) (int64, error) {
	v := s.of(b)
	switch n, whole, ok := ParseDecimal(v, 0); {
	case v[0] == '-':
		return 0, tooSmall(name)
	case v[0]-'0' > 9 || ok && !whole:
		return 0, wrongType(name, "a whole number")
	case !ok || n > largest:
		return 0, tally.Errorf(tally.Invalid, "%q is larger than %d", name, largest)
	default:
		return n, nil
	}
}

func tooSmall(name string) error { return tally.Errorf(tally.Invalid, "%q must be at least 1", name) }

func wrongType(name, want string) error {
	return tally.Errorf(tally.Invalid, "%q must be %s", name, want)
}

func malformed(b []byte, i int) error {
	return tally.Errorf(tally.Invalid, "the body is not valid JSON: %s", at(b, i))
}

// at says what stands at an offset, for a message.
func at(b []byte, i int) string {
	switch {
	case i >= len(b):
		return "it ends too early"
	case b[i] == '{' || b[i] == '[':
		return fmt.Sprintf("unexpected or too deeply nested %q at offset %d", b[i], i)
	}
	return fmt.Sprintf("unexpected %q at offset %d", b[i], i)
}
