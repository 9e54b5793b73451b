package chat

import (
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// Parse implements dialect.Dialect.
func (Dialect) Parse(body []byte) (*dialect.Request, error) {
	v, err := dialect.Body(body)
	if err != nil {
		return nil, err
	}
	p := parser{dialect.NewParser(dialect.Chat)}
	return p.Read(v, p.OpenAI, p.field, p.sampling)
}

type parser struct{ *dialect.Parser }

// field reads what is asked.
func (p *parser) field(key string, v wire.Value) bool {
	switch key {
	case "messages":
		p.Each(key, v, p.message)
	case "stream_options":
		p.StreamUsage = v.Get("include_usage").True()
	case "max_tokens", "max_completion_tokens":
		p.MaxOutput = max(p.MaxOutput, p.Count(key, v))
	case "tools":
		p.Each(key, v, p.tool)
	case "tool_choice":
		p.choice(v)
	case "response_format":
		p.format(v)
	case "functions", "function_call":
		p.IfAny(dialect.Functions, key, v)
	case "web_search_options":
		p.If(dialect.WebSearch, key, v)
	case "prompt_cache_retention":
		p.If(dialect.UnknownField, key, v)
	default:
		return false
	}
	return true
}

// sampling reads how the model is to answer.
func (p *parser) sampling(key string, v wire.Value) bool {
	if p.Sampling(key, key, v) {
		return true
	}
	switch key {
	case "n":
		if p.Choices = p.Count(key, v); p.Choices > 1 {
			p.Use(dialect.Choices, key)
		}
	case "logit_bias":
		p.IfAny(dialect.LogitBias, key, v)
	case "logprobs", "top_logprobs":
		p.IfAny(dialect.Logprobs, key, v)
	case "prediction":
		p.If(dialect.Prediction, key, v)
	case "modalities":
		for m := range v.Elements() {
			if m.Text() != "text" {
				p.Use(dialect.SpokenAnswer, key)
			}
		}
	case "audio":
		p.If(dialect.SpokenAnswer, key, v)
	case "verbosity":
		if p.Verbosity = p.String(key, v); p.Verbosity != "" {
			p.Use(dialect.Verbosity, key)
		}
	case "reasoning_effort":
		p.effort(key, p.String(key, v))
	case "reasoning": // OpenRouter's
		p.effort("reasoning.effort", v.Get("effort").Text())
		if n, ok := v.Get("max_tokens").Int(); ok && n > 0 {
			p.Thinking = dialect.Thinking{Mode: dialect.BudgetThinking, Budget: n}
			p.Use(dialect.ThinkingBudget, "reasoning.max_tokens")
		}
	default:
		return false
	}
	return true
}

func (p *parser) effort(field, word string) {
	if word != "" {
		p.Effort = word
		p.Use(dialect.Effort, field)
	}
}

func (p *parser) format(v wire.Value) {
	switch kind := v.Get("type").Text(); kind {
	case "", "text":
	case "json_object":
		p.Format.Kind = dialect.JSONObject
		p.Use(dialect.JSONObjects, "response_format")
	case "json_schema":
		s := v.Get("json_schema")
		p.Format = dialect.Format{Kind: dialect.JSONSchema, Name: s.Get("name").Text(), Description: s.Get("description").Text(),
			Schema: p.Object("response_format.json_schema.schema", s.Get("schema")), Strict: dialect.MaybeOf(s.Get("strict"))}
		p.Use(dialect.JSONSchemas, "response_format")
	default:
		p.Fail(dialect.Unsupported("response_format", `a "response_format" of type %.60q is not known`, kind))
	}
}

func (p *parser) choice(v wire.Value) {
	word := v.Text()
	if v.Kind() == '{' {
		word = v.Get("type").Text()
	}
	switch word {
	case "", "auto":
		if word != "" {
			p.Choice.Mode = dialect.AutoChoice
		}
	case "none":
		p.Choice.Mode = dialect.NoChoice
	case "required", "any":
		p.Choice.Mode = dialect.MustChoice
	case "function", "custom":
		p.Choice = dialect.Choice{Mode: dialect.NamedChoice, Name: dialect.ToolName("", v.Get(word).Get("name").Text())}
	case "allowed_tools":
		p.Use(dialect.AllowedTools, "tool_choice")
	default:
		p.Fail(dialect.Unsupported("tool_choice", `a "tool_choice" of %.60q is not known`, word))
	}
}

func (p *parser) tool(v wire.Value) {
	var t dialect.Tool
	name, kind := "", ""
	for key, m := range v.Members() {
		switch string(key) {
		case "type":
			kind = m.Word()
		case "function", "custom":
			t.Custom = string(key) == "custom"
			for key, m := range m.Members() {
				switch string(key) {
				case "name":
					name = p.String("tools[].function.name", m)
				case "description":
					t.Description = m.Text()
				case "parameters":
					t.Schema = p.Object("tools[].function.parameters", m)
				case "strict":
					if t.Strict = dialect.MaybeOf(m); t.Strict == dialect.Yes {
						p.Use(dialect.StrictTools, "tools[].function.strict")
					}
				case "format":
					t.Grammar = p.Object("tools[].custom.format", m)
				}
			}
		case "cache_control":
			t.Cache = p.Cache(m)
		}
	}
	switch {
	case kind != "" && kind != "function" && kind != "custom":
		p.Use(dialect.ServerTools, "tools of type "+kind)
		return
	case name == "":
		p.Fail(dialect.Invalid("tools", "a tool has no name"))
	case t.Custom:
		p.Use(dialect.CustomTools, "tools of type custom")
	}
	p.AddTool(t, "", name)
}
