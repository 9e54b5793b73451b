package messages

import (
	"strings"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// Parse implements dialect.Dialect.
func (Dialect) Parse(body []byte) (*dialect.Request, error) {
	v, err := dialect.Body(body)
	if err != nil {
		return nil, err
	}
	p := parser{Parser: dialect.NewParser(dialect.Messages)}
	p.system(v.Get("system")) // it stands before the turns, wherever it is written
	return p.Read(v, p.field, p.option)
}

type parser struct {
	*dialect.Parser
	depth int // of blocks within blocks
}

func (p *parser) field(key string, v wire.Value) bool {
	switch key {
	case "model":
		p.Model = p.String(key, v)
	case "system":
	case "messages":
		p.Each(key, v, p.message)
	case "stream":
		p.Stream = p.Bool(key, v)
	case "max_tokens":
		p.MaxOutput = p.Count(key, v)
	case "tools":
		p.Each(key, v, p.tool)
	case "tool_choice":
		p.choice(v)
	case "thinking":
		p.thinking(v)
	case "output_config":
		p.effort(v.Get("effort"))
		p.format("output_config.format", v.Get("format"))
	case "output_format":
		p.format(key, v)
	default:
		return false
	}
	return true
}

func (p *parser) option(key string, v wire.Value) bool {
	switch key {
	case "temperature":
		p.Temperature = p.Number(dialect.Temperature, key, v)
	case "top_p":
		p.TopP = p.Number(dialect.TopP, key, v)
	case "top_k":
		if v.Said() {
			p.TopK = p.Count(key, v)
			p.Use(dialect.TopK, key)
		}
	case "stop_sequences":
		if p.Stop = p.Strings(key, v); len(p.Stop) > 0 {
			p.Use(dialect.StopSequences, key)
		}
	case "metadata":
		if p.User = v.Get("user_id").Text(); p.User != "" {
			p.Use(dialect.EndUser, "metadata.user_id")
		}
	case "service_tier":
		if tier := p.String(key, v); tier != "" && tier != "auto" && tier != "standard_only" {
			p.Tier = tier
			p.Use(dialect.ServiceTier, key)
		}
	case "cache_control":
		p.Cache(v)
	case "context_management":
		p.IfAny(dialect.ContextEdits, key, v)
	case "thread":
		p.If(dialect.Threads, key, v)
	case "speed":
		if s := p.String(key, v); s != "" && s != "standard" {
			p.Use(dialect.Speed, key)
		}
	case "container", "mcp_servers":
		p.IfAny(dialect.Containers, key, v)
	default:
		return false
	}
	return true
}

func (p *parser) effort(v wire.Value) {
	if word := p.String("output_config.effort", v); word != "" {
		p.Effort = word
		p.Use(dialect.Effort, "output_config.effort")
	}
}

func (p *parser) thinking(v wire.Value) {
	t := &p.Thinking
	t.Summary = v.Get("display").Text()
	switch kind := v.Get("type").Text(); kind {
	case "":
		return
	case "disabled":
		t.Mode = dialect.NoThinking
		return
	case "enabled":
		t.Mode, t.Budget = dialect.BudgetThinking, p.Count("thinking.budget_tokens", v.Get("budget_tokens"))
	case "adaptive":
		t.Mode = dialect.AdaptiveThinking
	default:
		p.Fail(dialect.Unsupported("thinking", "thinking of type %.60q is not known", kind))
	}
	p.Use(dialect.ThinkingBudget, "thinking")
}

func (p *parser) format(field string, v wire.Value) {
	switch kind := v.Get("type").Text(); kind {
	case "":
	case "json_schema":
		p.Format = dialect.Format{
			Kind: dialect.JSONSchema, Schema: p.Object(field+".schema", v.Get("schema")), Strict: dialect.Yes,
		}
		p.Use(dialect.JSONSchemas, field)
	default:
		p.Fail(dialect.Unsupported(field, "%q of type %.60q is not known", field, kind))
	}
}

func (p *parser) choice(v wire.Value) {
	switch kind := v.Get("type").Text(); kind {
	case "":
	case "auto":
		p.Choice.Mode = dialect.AutoChoice
	case "any":
		p.Choice.Mode = dialect.MustChoice
	case "none":
		p.Choice.Mode = dialect.NoChoice
	case "tool":
		p.Choice = dialect.Choice{Mode: dialect.NamedChoice, Name: dialect.ToolName("", v.Get("name").Text())}
	default:
		p.Fail(dialect.Unsupported("tool_choice", "a tool_choice of type %.60q is not known", kind))
	}
	if v.Get("disable_parallel_tool_use").True() {
		p.Parallel = dialect.No
		p.Use(dialect.NoParallelCalls, "tool_choice.disable_parallel_tool_use")
	}
}

func (p *parser) tool(v wire.Value) {
	var t dialect.Tool
	name, kind := "", ""
	for key, m := range v.Members() {
		switch string(key) {
		case "type":
			kind = m.Word()
		case "name":
			name = p.String("tools[].name", m)
		case "description":
			t.Description = m.Text()
		case "input_schema":
			t.Schema = p.Object("tools[].input_schema", m)
		case "strict":
			if t.Strict = dialect.MaybeOf(m); t.Strict == dialect.Yes {
				p.Use(dialect.StrictTools, "tools[].strict")
			}
		case "cache_control":
			t.Cache = p.Cache(m)
		case "defer_loading", "eager_input_streaming", "input_examples", "allowed_callers":
			p.IfAny(dialect.ToolNotes, "tools[]."+string(key), m)
		default:
			if kind == "" || kind == "custom" { // a tool of the provider's has its own
				p.Unknown("tools[]."+string(key), m)
			}
		}
	}
	switch {
	case kind != "" && kind != "custom":
		p.Use(dialect.ServerTools, "tools of type "+kind)
		return
	case name == "":
		p.Fail(dialect.Invalid("tools", "a tool has no name"))
	}
	p.AddTool(t, "", name)
}

// billing begins the block of the system prompt with which Claude Code tells its provider
// what to bill.
const billing = "x-anthropic-billing-header:"

func (p *parser) system(v wire.Value) {
	if v.Kind() == '"' {
		if s := v.Text(); s != "" {
			p.Request.Begin(dialect.System).Parts = []dialect.Part{{Text: s}}
		}
		return
	}
	p.List("system", v)
	var kept []dialect.Part
	for _, part := range p.blocks("system", v) {
		if strings.HasPrefix(part.Text, billing) {
			p.Use(dialect.BillingBlock, strings.TrimSuffix(billing, ":"))
		} else {
			kept = append(kept, part)
		}
	}
	if kept != nil {
		p.Request.Begin(dialect.System).Parts = kept
	}
}
