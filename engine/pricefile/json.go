package pricefile

import (
	"bytes"
	"encoding/json"
	"strings"

	"tallygate/engine/tally"
)

// member is a member of an object as it is written.
type member struct {
	name string
	raw  json.RawMessage
}

// members lists the members of an object in their order, those of the same name each; ok is
// false for what is no object.
func members(raw json.RawMessage) (out []member, ok bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		var m member
		m.name, _ = name.(string)
		if d.Decode(&m.raw) != nil {
			return nil, false
		}
		out = append(out, m)
	}
	return out, true
}

// unique lists the members of an object as a map; twice is the name of one that it has twice.
func unique(raw json.RawMessage) (out map[string]json.RawMessage, twice string, ok bool) {
	list, ok := members(raw)
	if !ok {
		return nil, "", false
	}
	out = make(map[string]json.RawMessage, len(list))
	for _, m := range list {
		if _, there := out[m.name]; there {
			twice = m.name
		}
		out[m.name] = m.raw
	}
	return out, twice, true
}

// figure is a number as it is written, in quotes or not; told is false for null.
func figure(raw json.RawMessage) (text string, told bool) {
	switch s := string(bytes.TrimSpace(raw)); {
	case s == "" || s == "null":
		return "", false
	case s[0] == '"':
		json.Unmarshal(raw, &text) // it is valid
		return text, true
	default:
		return s, true
	}
}

// word is a text, "" for anything else.
func word(raw json.RawMessage) (s string) {
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// readJSON finds out whose list it is.
func readJSON(text []byte) (*List, error) {
	text, err := plainJSON(text)
	if err != nil {
		return nil, err
	}
	unknown := tally.Errorf(tally.Invalid, "it is JSON, and no list of prices that is known").WithHint(formats)
	if text[0] == '[' {
		return readOwn(text)
	}
	list, ok := members(text)
	if !ok {
		return nil, unknown
	}
	if len(list) > maxEntries {
		return nil, tally.Errorf(tally.Invalid, "the list has more than %s models", tally.Group(maxEntries)).WithHint(formats)
	}
	for _, m := range list {
		switch {
		case m.name == "as_of" && list[0].name == "version":
			return &List{Format: Book}, nil
		case m.name == "data" && m.raw[0] == '[':
			return nil, tally.Errorf(tally.Invalid, "it is a provider's own list of models").
				WithHint("that is read from the provider: tallygate prices import provider NAME")
		}
		inner, _, ok := unique(m.raw)
		if !ok {
			continue
		}
		if models, has := inner["models"]; has && models[0] == '{' {
			return readModelsDev(list), nil
		}
		for name := range inner {
			if name == "litellm_provider" || strings.HasPrefix(name, "input_cost_per_") || strings.HasPrefix(name, "output_cost_per_") {
				return readLiteLLM(list), nil
			}
		}
	}
	return nil, unknown
}

// plainJSON checks that a text is JSON of a sensible depth. NaN and Infinity, which programs
// write that do not care, become texts, so that they spoil no more than their entry.
func plainJSON(text []byte) ([]byte, error) {
	depth, quoted := 0, false
	var out []byte
	from := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return nil, tally.Errorf(tally.Invalid, "it is nested deeper than any list of prices").WithHint(formats)
			}
		case c == '}' || c == ']':
			depth--
		case c == 'N' || c == 'I':
			for _, name := range []string{"NaN", "Infinity"} {
				if !bytes.HasPrefix(text[i:], []byte(name)) {
					continue
				}
				begin := i
				if i > 0 && text[i-1] == '-' {
					begin--
				}
				out = append(append(out, text[from:begin]...), `"NaN"`...)
				from = i + len(name)
				i = from - 1
				break
			}
		}
	}
	if from > 0 {
		text = append(out, text[from:]...)
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(text, new(json.RawMessage)); err != nil {
		e := tally.Errorf(tally.Invalid, "it is not JSON: %w", err)
		if s, is := err.(*json.SyntaxError); is {
			syntax = s
			e = tally.Errorf(tally.Invalid, "it is not JSON: %s, at byte %d", syntax.Error(), syntax.Offset)
		}
		return nil, e.WithHint("was it saved whole?")
	}
	return text, nil
}

// readModelsDev reads the providers of models.dev's api.json, each with its models.
func readModelsDev(list []member) *List {
	out := &List{Format: ModelsDev}
	for _, p := range list {
		provider, _, ok := unique(p.raw)
		if !ok {
			continue
		}
		models, _ := members(provider["models"])
		for _, m := range models {
			e := Entry{Provider: p.name, Model: m.name}
			model, twice, ok := unique(m.raw)
			cost, costTwice, priced := unique(model["cost"])
			switch {
			case !ok:
				e.Problem = "it is no object"
			case twice+costTwice != "":
				e.Problem = "it says " + twice + costTwice + " twice"
			case model["cost"] == nil:
				continue // free, or not told: nothing is said
			case !priced:
				e.Problem = "its cost is no object"
			default:
				e.Prices, e.Problem = modelsDevPrices(cost)
			}
			out.Entries = append(out.Entries, e)
		}
	}
	return out
}

// modelsDevClasses are how models.dev calls classes.
var modelsDevClasses = map[string]tally.Class{
	"input": tally.ClassInput, "output": tally.ClassOutput, "cache_read": tally.ClassCachedInput, "cache_write": tally.ClassCacheWrite,
	"reasoning": tally.ClassReasoning, "input_audio": tally.ClassAudioInput, "output_audio": tally.ClassAudioOutput,
}

func modelsDevPrices(cost map[string]json.RawMessage) ([]tally.Price, string) {
	base, problem := modelsDevRow(cost)
	if problem == "" && (base.Input == nil || base.Output == nil) {
		problem = "it names no price of input or of output"
	}
	if problem != "" {
		return nil, problem
	}
	rows := []tally.Price{base}
	band := func(raw json.RawMessage, above int64) string {
		inner, _, ok := unique(raw)
		if !ok {
			return ""
		}
		row, problem := modelsDevRow(inner)
		row.AboveTokens = above
		rows = append(rows, row)
		return problem
	}
	var tiers []json.RawMessage
	json.Unmarshal(cost["tiers"], &tiers) // no list is none
	for _, raw := range tiers {
		var of struct {
			Tier struct {
				Type string `json:"type"`
				Size int64  `json:"size"`
			} `json:"tier"`
		}
		if json.Unmarshal(raw, &of) != nil || of.Tier.Type != "context" || of.Tier.Size <= 0 {
			return nil, "it has a tier of prices that is not by the length of the prompt"
		}
		if problem := band(raw, of.Tier.Size); problem != "" {
			return nil, problem
		}
	}
	if len(tiers) == 0 {
		if problem := band(cost["context_over_200k"], 200_000); problem != "" {
			return nil, problem
		}
	}
	return sortBands(rows), ""
}

func modelsDevRow(cost map[string]json.RawMessage) (p tally.Price, problem string) {
	for name, class := range modelsDevClasses {
		text, told := figure(cost[name])
		if !told {
			continue
		}
		n, wrong := money(text, perMillion)
		if wrong != "" {
			return p, "its price of " + name + " " + wrong
		}
		*p.Rate(class) = &n
	}
	return p, ""
}
