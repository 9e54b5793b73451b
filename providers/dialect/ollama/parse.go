package ollama

import (
	"strconv"
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
	p := parser{Parser: dialect.NewParser(dialect.Ollama)}
	p.Stream, p.StreamUsage = true, true // unless it says otherwise
	return p.Read(v, p.field)
}

type parser struct {
	*dialect.Parser
	calls int
	// waiting are the calls whose results have not come: the dialect's calls and results
	// need no ids.
	waiting []dialect.Call
}

func (p *parser) field(key string, v wire.Value) bool {
	switch key {
	case "model":
		p.Model = p.String(key, v)
	case "messages":
		p.Each(key, v, p.message)
	case "stream":
		p.Stream = p.Switch(key, v) != dialect.No
	case "tools":
		p.List(key, v)
		for t := range v.Elements() {
			f := t.Get("function")
			name := f.Get("name").Text()
			if name == "" {
				p.Fail(dialect.Invalid(key, "a tool has no name"))
			}
			p.AddTool(dialect.Tool{
				Description: f.Get("description").Text(), Schema: p.Object("tools[].function.parameters", f.Get("parameters")),
			}, "", name)
		}
	case "format":
		switch {
		case v.Text() == "json":
			p.Format.Kind = dialect.JSONObject
			p.Use(dialect.JSONObjects, key)
		case v.Kind() == '{':
			p.Format = dialect.Format{Kind: dialect.JSONSchema, Schema: v}
			p.Use(dialect.JSONSchemas, key)
		case !v.Empty():
			p.Fail(dialect.WrongType(key, `"json" or a JSON schema`))
		}
	case "think":
		switch {
		case v.Kind() == '"':
			p.Effort = v.Text()
			p.Use(dialect.Effort, key)
		case v.True():
			p.Thinking.Mode = dialect.AdaptiveThinking
			p.Use(dialect.ThinkingBudget, key)
		case v.Said():
			p.Thinking.Mode = dialect.NoThinking
		}
	case "options":
		for key, m := range p.Object(key, v).Members() {
			p.option("options."+string(key), string(key), m)
		}
	case "keep_alive": // it is about the daemon's memory
	default:
		return false
	}
	return true
}

func (p *parser) option(field, key string, v wire.Value) {
	if p.Sampling(field, key, v) {
		return
	}
	switch key {
	case "num_predict":
		if n, _ := v.Int(); n > 0 { // less is no bound
			p.MaxOutput = p.Count(field, v)
		}
	case "num_ctx", "num_keep", "num_batch", "num_gpu", "num_thread", "use_mmap", "use_mlock", "low_vram", "main_gpu", "numa": // how the daemon runs it
	default:
		p.Unknown(field, v)
	}
}

func (p *parser) message(v wire.Value) {
	var role, text, thought, name, id string
	var images, calls wire.Value
	for key, m := range v.Members() {
		switch string(key) {
		case "role":
			role = m.Text()
		case "content":
			text = p.String("messages[].content", m)
		case "thinking":
			thought = m.Text()
		case "images":
			images = m
		case "tool_calls":
			calls = m
		case "tool_name", "name":
			name = m.Text()
		case "tool_call_id":
			id = m.Text()
		default:
			p.Unknown("messages[]."+string(key), m)
		}
	}
	switch role {
	case "system":
		if n := len(p.Turns); n > 0 && p.Turns[n-1].Role != dialect.System {
			p.Use(dialect.LaterSystem, "messages of role system")
		}
		p.Begin(dialect.System).Parts = []dialect.Part{{Text: text}}
	case "user":
		p.user(text, images)
	case "assistant":
		t := p.Begin(dialect.Assistant)
		if thought != "" {
			p.Use(dialect.OldReasoning, "messages[].thinking")
			t.Parts = append(t.Parts, dialect.Part{Kind: dialect.ReasoningPart, Reasoning: &dialect.Reasoning{Text: thought}})
		}
		if text != "" {
			t.Parts = append(t.Parts, dialect.Part{Text: text})
		}
		for c := range calls.Elements() {
			t.Parts = append(t.Parts, dialect.Part{Kind: dialect.CallPart, Call: p.call(c)})
		}
	case "tool":
		p.AddResult(&dialect.Result{CallID: p.answered(id, name), Parts: []dialect.Part{{Text: text}}})
	default:
		p.Fail(dialect.Invalid("messages", "the role %.40q is not known", role))
	}
}

func (p *parser) user(text string, images wire.Value) {
	var parts []dialect.Part
	if text != "" || images.Empty() {
		parts = append(parts, dialect.Part{Text: text})
	}
	for m := range images.Elements() {
		media := dialect.Media{Data: p.String("messages[].images", m)}
		media.Type = imageType(media.Data)
		p.NoteMedia(dialect.ImagePart, &media, "messages[].images")
		parts = append(parts, dialect.Part{Kind: dialect.ImagePart, Media: &media})
	}
	p.Begin(dialect.User).Parts = parts
}

// imageType tells the type of an image by how its base64 begins.
func imageType(data string) string {
	for begin, of := range map[string]string{"/9j/": "image/jpeg", "R0lG": "image/gif", "UklG": "image/webp"} {
		if strings.HasPrefix(data, begin) {
			return of
		}
	}
	return "image/png"
}

func (p *parser) call(v wire.Value) *dialect.Call {
	f := v.Get("function")
	c := dialect.Call{ID: v.Get("id").Text(), Name: dialect.ToolName("", f.Get("name").Text())}
	if f.Get("name").Text() == "" {
		p.Fail(dialect.Invalid("messages[].tool_calls", "a tool call has no name"))
	}
	if c.ID == "" {
		c.ID = "call_" + strconv.Itoa(p.calls)
	}
	p.calls++
	if c.Arguments = f.Get("arguments").Text(); c.Arguments == "" {
		c.Arguments = string(f.Get("arguments"))
	}
	if c.Arguments == "" {
		c.Arguments = "{}"
	}
	p.waiting = append(p.waiting, c)
	return &c
}

// mostWaiting bounds how many calls a result is matched with.
const mostWaiting = 128

// answered is the id of the call that a result belongs to: the first that waits for one,
// by that name if there is one.
func (p *parser) answered(id, name string) string {
	for i := range p.waiting[:min(len(p.waiting), mostWaiting)] {
		c := &p.waiting[i]
		if id != "" && id != c.ID || id == "" && name != "" && dialect.ToolName("", name) != c.Name {
			continue
		}
		id = c.ID
		copy(p.waiting[1:], p.waiting[:i]) // those before it wait on
		p.waiting = p.waiting[1:]
		return id
	}
	return id
}
