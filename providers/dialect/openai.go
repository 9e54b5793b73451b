package dialect

import "tallygate/providers/dialect/wire"

// OpenAI is what both of OpenAI's dialects have in common: their failures, their lists of
// models, and the answer that counts tokens. [Parser.OpenAI] reads the fields that both have.
type OpenAI struct{}

// AppendFailure implements Dialect, as do the methods below.
func (OpenAI) AppendFailure(dst []byte, f *Failure) []byte    { return OpenAIError(dst, f) }
func (OpenAI) AppendModels(dst []byte, models []Model) []byte { return OpenAIModels(dst, models) }
func (OpenAI) AppendModel(dst []byte, m *Model) []byte        { return OpenAIModel(dst, m) }
func (OpenAI) AppendCount(dst []byte, tokens int64) []byte    { return OpenAICount(dst, tokens) }

// OpenAI reads the fields that both of OpenAI's dialects have. It reports whether key is one
// of them.
func (p *Parser) OpenAI(key string, v wire.Value) bool {
	switch key {
	case "model":
		p.Model = p.String(key, v)
	case "stream":
		p.Stream = p.Bool(key, v)
	case "temperature":
		p.Temperature = p.Number(Temperature, key, v)
	case "top_p":
		p.TopP = p.Number(TopP, key, v)
	case "parallel_tool_calls":
		if p.Parallel = p.Switch(key, v); p.Parallel == No {
			p.Use(NoParallelCalls, key)
		}
	case "user", "safety_identifier":
		if s := p.String(key, v); s != "" {
			p.User = s
			p.Use(EndUser, key)
		}
	case "metadata":
		if p.Metadata = p.Object(key, v); !p.Metadata.Empty() {
			p.Use(Metadata, key)
		}
	case "prompt_cache_key":
		if p.CacheKey = p.String(key, v); p.CacheKey != "" {
			p.Use(CacheKey, key)
		}
	case "service_tier":
		if p.Tier = p.String(key, v); p.Tier != "" && p.Tier != "auto" && p.Tier != "default" {
			p.Use(ServiceTier, key)
		}
	case "store":
		p.If(Store, key, v)
	default:
		return false
	}
	return true
}

// OpenAIError appends the body of a failure as both of OpenAI's dialects have it.
func OpenAIError(dst []byte, f *Failure) []byte {
	o := wire.Begin(append(dst, `{"error":`...))
	o.Text("message", f.Message)
	o.Text("type", f.Type)
	orNull(&o, "param", f.Param)
	orNull(&o, "code", f.Code)
	return append(o.End(), '}')
}

// OpenAIModel appends a model as both of OpenAI's dialects have it.
func OpenAIModel(dst []byte, m *Model) []byte {
	o := wire.Begin(dst)
	o.Text("id", m.ID)
	o.Raw("object", `"model"`)
	o.Int("created", m.Created)
	o.Text("owned_by", m.Owner)
	return o.End()
}

// OpenAIModels appends a list of models as both of OpenAI's dialects have it.
func OpenAIModels(dst []byte, models []Model) []byte {
	dst = append(dst, `{"object":"list","data":`...)
	var list wire.List
	for i := range models {
		dst = OpenAIModel(list.Next(dst), &models[i])
	}
	return append(list.End(dst), '}')
}

// OpenAICount appends the number of tokens of an input.
func OpenAICount(dst []byte, tokens int64) []byte {
	o := wire.Begin(dst)
	o.Raw("object", `"response.input_tokens"`)
	o.Int("input_tokens", tokens)
	return o.End()
}

func orNull(o *wire.Object, key, s string) {
	if s == "" {
		o.Raw(key, "null")
	} else {
		o.Text(key, s)
	}
}
