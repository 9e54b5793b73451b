package messages

import (
	"strconv"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

func textBlock(dst []byte, p *dialect.Part) []byte {
	o := wire.Begin(dst)
	o.Raw("type", `"text"`)
	o.Text("text", p.Text)
	if len(p.Citations) > 0 {
		o.Key("citations")
		var list wire.List
		for i := range p.Citations {
			o.Buf = citation(list.Next(o.Buf), &p.Citations[i])
		}
		o.Buf = list.End(o.Buf)
	}
	return o.End()
}

func thinkingBlock(dst []byte, r *dialect.Reasoning) []byte {
	o := wire.Begin(dst)
	opaque := r.Sealed(dialect.Messages)
	switch {
	case r.Hidden && r.Text == "":
		o.Raw("type", `"redacted_thinking"`)
		o.Text("data", opaque)
		return o.End()
	case opaque == "":
		opaque = dialect.Unsigned
	}
	o.Raw("type", `"thinking"`)
	o.Text("thinking", r.Text)
	o.Text("signature", opaque)
	return o.End()
}

func toolUse(dst []byte, c *dialect.Call, input string) []byte {
	o := wire.Begin(dst)
	o.Raw("type", `"tool_use"`)
	o.Text("id", c.ID)
	o.Text("name", c.Name)
	o.Raw("input", input)
	o.Raw("caller", `{"type":"direct"}`)
	return o.End()
}

func citation(dst []byte, c *dialect.Citation) []byte {
	o := wire.Begin(dst)
	o.Raw("type", `"web_search_result_location"`)
	o.Text("cited_text", c.Quote)
	o.Raw("encrypted_index", `""`)
	o.Text("title", c.Title)
	o.Text("url", c.URL)
	return o.End()
}

func textOrNull(s string) string {
	if s == "" {
		return "null"
	}
	return string(wire.Quote(nil, s))
}

func stopReason(why dialect.StopReason, refused bool) string {
	switch why {
	case dialect.StopSequence:
		return `"stop_sequence"`
	case dialect.StopLength:
		return `"max_tokens"`
	case dialect.StopTools:
		return `"tool_use"`
	case dialect.StopFiltered:
		return `"refusal"`
	case dialect.StopContext:
		return `"model_context_window_exceeded"`
	case dialect.StopPaused:
		return `"pause_turn"`
	}
	if refused {
		return `"refusal"`
	}
	return `"end_turn"`
}

// usage writes usage. The dialect counts what was read from a cache or written to one
// beside the input.
func usage(dst []byte, u *dialect.Usage, cost dialect.Number) []byte {
	written := u.CacheWrite + u.CacheWriteLong
	o := wire.Begin(dst)
	o.Int("input_tokens", max(0, u.Input-u.CachedInput-written))
	o.Int("cache_creation_input_tokens", written)
	o.Int("cache_read_input_tokens", u.CachedInput)
	o.Key("cache_creation")
	in := wire.Begin(o.Buf)
	in.Int("ephemeral_5m_input_tokens", u.CacheWrite)
	in.Int("ephemeral_1h_input_tokens", u.CacheWriteLong)
	o.Buf = in.End()
	o.Int("output_tokens", u.Output)
	if u.Reasoning > 0 {
		o.Raw("output_tokens_details", `{"thinking_tokens":`)
		o.Buf = append(strconv.AppendInt(o.Buf, u.Reasoning, 10), '}')
	} else {
		o.Raw("output_tokens_details", "null")
	}
	if u.Searches > 0 {
		o.Raw("server_tool_use", `{"web_search_requests":`)
		o.Buf = append(strconv.AppendInt(o.Buf, u.Searches, 10), '}')
	} else {
		o.Raw("server_tool_use", "null")
	}
	o.Raw("inference_geo", "null")
	o.Raw("service_tier", "null")
	o.Raw("speed", "null")
	if cost != "" {
		o.Raw("cost", string(cost))
	}
	return o.End()
}
