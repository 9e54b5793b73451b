package responses

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
	p := parser{dialect.NewParser(dialect.Responses)}
	if s := p.String("instructions", v.Get("instructions")); s != "" { // they come first, wherever they are written
		p.Request.Begin(dialect.System).Parts = []dialect.Part{{Text: s}}
	}
	return p.Read(v, p.OpenAI, p.field, p.option)
}

type parser struct{ *dialect.Parser }

func (p *parser) field(key string, v wire.Value) bool {
	switch key {
	case "instructions":
	case "input":
		if v.Kind() == '"' {
			p.Request.Begin(dialect.User).Parts = []dialect.Part{{Text: v.Text()}}
			break
		}
		p.Each(key, v, p.item)
	case "max_output_tokens":
		p.MaxOutput = p.Count(key, v)
	case "tools":
		p.tools(key, v)
	case "tool_choice":
		p.choice(v)
	case "text":
		p.format(v.Get("format"))
		if p.Verbosity = p.String("text.verbosity", v.Get("verbosity")); p.Verbosity != "" {
			p.Use(dialect.Verbosity, "text.verbosity")
		}
	case "reasoning":
		p.reasoning(v)
	default:
		return false
	}
	return true
}

func (p *parser) option(key string, v wire.Value) bool {
	switch key {
	case "top_logprobs":
		p.IfAny(dialect.Logprobs, key, v)
	case "client_metadata":
		p.IfAny(dialect.ClientMetadata, key, v)
	case "include":
		for e := range v.Elements() {
			if e.Text() != "reasoning.encrypted_content" { // it is there anyway
				p.Use(dialect.Includes, key)
			}
		}
	case "background":
		p.If(dialect.Background, key, v)
	case "previous_response_id", "conversation", "prompt":
		p.IfAny(dialect.StoredInput, key, v)
	case "truncation":
		if s := p.String(key, v); s != "" && s != "disabled" {
			p.Use(dialect.Truncation, key)
		}
	case "max_tool_calls":
		p.IfAny(dialect.ToolCallLimit, key, v)
	case "context_management":
		p.IfAny(dialect.ContextEdits, key, v)
	case "stream_options":
	default:
		return false
	}
	return true
}

func (p *parser) reasoning(v wire.Value) {
	for key, m := range v.Members() {
		switch string(key) {
		case "effort":
			if p.Effort = p.String("reasoning.effort", m); p.Effort != "" {
				p.Use(dialect.Effort, "reasoning.effort")
			}
		case "summary", "generate_summary":
			p.Thinking.Summary = m.Text()
		default:
			p.Unknown("reasoning."+string(key), m)
		}
	}
}

func (p *parser) format(v wire.Value) {
	switch kind := v.Get("type").Text(); kind {
	case "", "text":
	case "json_object":
		p.Format.Kind = dialect.JSONObject
		p.Use(dialect.JSONObjects, "text.format")
	case "json_schema":
		p.Format = dialect.Format{Kind: dialect.JSONSchema, Name: v.Get("name").Text(), Description: v.Get("description").Text(),
			Schema: p.Object("text.format.schema", v.Get("schema")), Strict: dialect.MaybeOf(v.Get("strict"))}
		p.Use(dialect.JSONSchemas, "text.format")
	default:
		p.Fail(dialect.Unsupported("text.format", `a "text.format" of type %.60q is not known`, kind))
	}
}

func (p *parser) choice(v wire.Value) {
	word := v.Text()
	if v.Kind() == '{' {
		word = v.Get("type").Text()
	}
	switch word {
	case "":
	case "auto":
		p.Choice.Mode = dialect.AutoChoice
	case "none":
		p.Choice.Mode = dialect.NoChoice
	case "required":
		p.Choice.Mode = dialect.MustChoice
	case "function", "custom":
		p.Choice = dialect.Choice{
			Mode: dialect.NamedChoice, Name: dialect.ToolName(v.Get("namespace").Text(), v.Get("name").Text()),
		}
	case "allowed_tools":
		p.Use(dialect.AllowedTools, "tool_choice")
	default:
		p.Use(dialect.ServerTools, "tool_choice of type "+word)
	}
}

func (p *parser) tools(field string, v wire.Value) {
	p.List(field, v)
	for t := range v.Elements() {
		if p.Item(field, t) {
			p.tool(t, "")
		}
	}
}

// tool reads a tool, or those of a namespace.
func (p *parser) tool(v wire.Value, namespace string) {
	var t dialect.Tool
	var inside wire.Value
	name, kind := "", ""
	for key, m := range v.Members() {
		switch string(key) {
		case "type":
			kind = m.Word()
		case "name":
			name = p.String("tools[].name", m)
		case "description":
			t.Description = m.Text()
		case "parameters":
			t.Schema = p.Object("tools[].parameters", m)
		case "strict":
			t.Strict = dialect.MaybeOf(m)
		case "format":
			t.Grammar = p.Object("tools[].format", m)
		case "tools":
			inside = m
		default:
			if kind == "function" || kind == "custom" { // a tool of the provider's has its own
				p.Unknown("tools[]."+string(key), m)
			}
		}
	}
	switch kind {
	case "function":
		if t.Strict == dialect.Yes {
			p.Use(dialect.StrictTools, "tools[].strict")
		}
	case "custom":
		t.Custom = true
		p.Use(dialect.CustomTools, "tools of type custom")
	case "namespace":
		if namespace == "" {
			p.Use(dialect.Namespaces, "tools of type namespace")
			for in := range inside.Elements() {
				if p.Item("tools[].tools", in) {
					p.tool(in, name)
				}
			}
			return
		}
		fallthrough
	default:
		p.Use(dialect.ServerTools, "tools of type "+kind)
		return
	}
	if name == "" {
		p.Fail(dialect.Invalid("tools", "a tool has no name"))
	}
	p.AddTool(t, namespace, name)
}
