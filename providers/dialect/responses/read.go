package responses

import (
	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// Reader implements dialect.Upstream.
func (Dialect) Reader() dialect.Reader {
	r := new(reader)
	r.On = r.event
	return r
}

type reader struct {
	dialect.Streamed
	got    bool // something of the content of the item that has begun came
	any    bool // an item came
	called bool
}

// Whole implements dialect.Reader.
func (r *reader) Whole(body []byte, emit func(*dialect.Event)) error {
	r.To = emit
	v, err := dialect.Data(body)
	if err != nil {
		return err
	}
	if e := v.Get("error"); e.Said() {
		return dialect.Told(e)
	}
	if v.Get("output").Kind() != '[' {
		return dialect.BadAnswer("the upstream's answer holds no output")
	}
	r.begin(v)
	return r.end(v)
}

func (r *reader) event(_, data []byte) error {
	v, err := dialect.Data(data)
	if err != nil {
		return err
	}
	var kind []byte
	text := ""
	var body wire.Value
	for key, m := range v.Members() {
		switch string(key) {
		case "type":
			kind = m.Bytes()
		case "delta":
			text = m.Text()
		case "response", "item", "error", "annotation":
			body = m
		}
	}
	switch string(kind) {
	case "response.output_text.delta":
		r.piece(dialect.Text, text)
	case "response.refusal.delta":
		r.piece(dialect.Refusal, text)
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		r.piece(dialect.Reason, text)
	case "response.function_call_arguments.delta", "response.custom_tool_call_input.delta":
		if r.Open() == dialect.ToolBegin {
			r.got = r.got || text != ""
			r.Input(text)
		}
	case "response.output_text.annotation.added":
		r.cite(body)
	case "response.reasoning_summary_part.added":
		if r.Open() == dialect.Reason {
			r.Piece(dialect.Reason, "\n\n")
		}
	case "response.content_part.done":
		if r.Open() == dialect.Text || r.Open() == dialect.Refusal {
			r.EndPart()
		}
	case "response.output_item.added":
		r.added(body)
	case "response.output_item.done":
		r.done(body)
	case "response.created", "response.in_progress":
		r.begin(body)
	case "response.completed", "response.incomplete":
		r.begin(body)
		return r.end(body)
	case "response.failed", "response.cancelled":
		return dialect.Told(body.Get("error"))
	case "error":
		if body.Kind() != '{' {
			body = v
		}
		return dialect.Told(body)
	case "":
		if body.Kind() == '{' && v.Get("error").Said() {
			return dialect.Told(body)
		}
	}
	return r.Check()
}

func (r *reader) begin(v wire.Value) { r.Begin(v.Get("id").Text(), v.Get("model").Text()) }

func (r *reader) piece(kind dialect.Kind, text string) {
	r.got, r.any = r.got || text != "", true
	r.Piece(kind, text)
}

// added reads the begin of an item.
func (r *reader) added(v wire.Value) {
	r.EndPart()
	r.got, r.any = false, true
	switch v.Get("type").Text() {
	case "function_call", "custom_tool_call":
		r.call(v)
	}
}

func (r *reader) call(v wire.Value) {
	r.called = true
	name := dialect.ToolName(v.Get("namespace").Text(), v.Get("name").Text())
	r.Tool(v.Get("call_id").Text(), name, v.Get("type").Text() == "custom_tool_call")
}

// done reads the end of an item, which is the whole of it: what has not come in pieces is
// taken from there.
func (r *reader) done(v wire.Value) {
	r.any = true
	switch v.Get("type").Text() {
	case "message":
		if !r.got {
			for c := range v.Get("content").Elements() {
				r.Piece(dialect.Text, c.Get("text").Text())
				r.Piece(dialect.Refusal, c.Get("refusal").Text())
				for a := range c.Get("annotations").Elements() {
					r.cite(a)
				}
				r.EndPart()
			}
		}
	case "reasoning":
		if !r.got {
			first := true
			for _, list := range [...]wire.Value{v.Get("summary"), v.Get("content")} {
				for s := range list.Elements() {
					if text := s.Get("text").Text(); text != "" {
						if !first {
							text = "\n\n" + text
						}
						first = false
						r.Piece(dialect.Reason, text)
					}
				}
			}
		}
		if sealed := v.Get("encrypted_content").Text(); sealed != "" {
			r.Seal(dialect.Reasoning{ID: v.Get("id").Text(), Opaque: sealed, Origin: dialect.Responses})
		}
	case "function_call", "custom_tool_call":
		if r.Open() != dialect.ToolBegin {
			r.call(v)
			r.got = false
		}
		if !r.got {
			r.Input(v.Get("arguments").Text())
			r.Input(v.Get("input").Text())
		}
	}
	r.EndPart()
	r.got = false
}

func (r *reader) cite(v wire.Value) {
	if v.Get("type").Text() != "url_citation" {
		return
	}
	from, _ := v.Get("start_index").Int()
	to, _ := v.Get("end_index").Int()
	r.Cite(dialect.Citation{URL: v.Get("url").Text(), Title: v.Get("title").Text(), From: from, To: to})
}

// end reads the response that ends the answer. Items that have not come before are taken
// from there.
func (r *reader) end(v wire.Value) error {
	if !r.any {
		for it := range v.Get("output").Elements() {
			r.done(it)
		}
	}
	if u := v.Get("usage"); u.Kind() == '{' {
		r.Use(usageOf(u))
	}
	if err := r.Check(); err != nil {
		return err
	}
	switch why := v.Get("incomplete_details").Get("reason").Text(); {
	case v.Get("status").Text() == "failed":
		return dialect.Told(v.Get("error"))
	case why == "content_filter":
		r.Stop(dialect.StopFiltered, "")
	case why != "":
		r.Stop(dialect.StopLength, "")
	case r.called:
		r.Stop(dialect.StopTools, "")
	default:
		r.Stop(dialect.StopEnd, "")
	}
	return nil
}

func usageOf(v wire.Value) dialect.Usage {
	u := dialect.Usage{Known: true}
	for key, m := range v.Members() {
		switch string(key) {
		case "input_tokens":
			u.Input = dialect.Tokens(m)
		case "output_tokens":
			u.Output = dialect.Tokens(m)
		case "input_tokens_details":
			u.CachedInput = dialect.Tokens(m.Get("cached_tokens"))
			u.CacheWrite = dialect.Tokens(m.Get("cache_write_tokens"))
			u.AudioInput = dialect.Tokens(m.Get("audio_tokens"))
		case "output_tokens_details":
			u.Reasoning = dialect.Tokens(m.Get("reasoning_tokens"))
			u.AudioOutput = dialect.Tokens(m.Get("audio_tokens"))
		}
	}
	return u
}
