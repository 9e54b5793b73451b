package responses

import (
	"strconv"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/wire"
)

// Writer implements dialect.Dialect.
func (Dialect) Writer(head dialect.Head) dialect.Writer { return &answer{head: head} }

// answer writes one answer. Items that are complete are kept, since the event that ends a
// stream repeats them all.
type answer struct {
	head  dialect.Head
	seq   int64
	begun bool

	items []byte // those that are complete, as the elements of a list
	list  wire.List
	item  item // the one that has begun

	calls int
	why   dialect.StopReason
	told  dialect.Usage
}

// ContentType implements dialect.Writer.
func (w *answer) ContentType() string { return "text/event-stream; charset=utf-8" }

// Ping implements dialect.Writer.
func (w *answer) Ping(dst []byte) []byte { return append(dst, ": ping\n\n"...) }

// Event implements dialect.Writer.
func (w *answer) Event(dst []byte, e *dialect.Event) []byte {
	switch e.Kind {
	case dialect.Start:
		return w.start(dst)
	case dialect.Text, dialect.Refusal, dialect.Reason, dialect.Seal, dialect.Cited, dialect.ToolBegin, dialect.ToolInput:
		return w.part(dst, e)
	case dialect.PartEnd:
		return w.partEnd(dst)
	case dialect.Stop:
		w.why = e.Why
		return w.close(dst)
	case dialect.Used:
		w.told.Merge(&e.Usage)
	}
	return dst
}

// event begins an event, up to where its own members stand.
func (w *answer) event(dst []byte, kind string) []byte {
	dst = append(append(dst, "event: "...), kind...)
	dst = append(append(append(dst, "\ndata: {\"type\":\""...), kind...), `","sequence_number":`...)
	dst = strconv.AppendInt(dst, w.seq, 10)
	w.seq++
	return dst
}

func (w *answer) start(dst []byte) []byte {
	w.begun = true
	for _, kind := range [...]string{"response.created", "response.in_progress"} {
		dst = append(w.event(dst, kind), `,"response":`...)
		dst = w.response(dst, "in_progress", "null", "null", "[]", "null")
		dst = append(dst, "}\n\n"...)
	}
	return dst
}

// Finish implements dialect.Writer.
func (w *answer) Finish(dst []byte, b dialect.Bill) []byte {
	if !w.begun {
		dst = w.start(dst)
	}
	status, details := ending(w.why)
	dst = append(w.event(dst, "response."+status), `,"response":`...)
	items := string(w.list.End(w.items))
	dst = w.response(dst, status, "null", details, items, string(usage(nil, b.Told(&w.told), b.Cost)))
	return append(dst, "}\n\n"...)
}

// Fail implements dialect.Writer. Each of the two events is missed by some client.
func (w *answer) Fail(dst []byte, f *dialect.Failure) []byte {
	if !w.begun {
		dst = w.start(dst)
	}
	o := wire.Object{}
	o.Text("code", f.Code)
	o.Text("message", f.Message)
	o.Raw("param", paramOf(f))
	dst = append(append(w.event(dst, "error"), ','), o.Buf...)
	inner := dialect.OpenAIError(nil, f)
	dst = append(append(dst, ','), inner[1:]...) // "error":{…}}
	dst = append(dst, "\n\n"...)

	e := wire.Begin(nil)
	e.Raw("code", `"`+errorCode(f.Status)+`"`)
	e.Text("message", f.Message)
	dst = append(w.event(dst, "response.failed"), `,"response":`...)
	items := string(w.list.End(w.items))
	dst = w.response(dst, "failed", string(e.End()), "null", items, "null")
	return append(dst, "}\n\n"...)
}

func paramOf(f *dialect.Failure) string {
	if f.Param == "" {
		return "null"
	}
	return string(wire.Quote(nil, f.Param))
}

// errorCode is one of the codes that a failed response may have.
func errorCode(status int) string {
	switch {
	case status == 429:
		return "rate_limit_exceeded"
	case status == 400:
		return "invalid_prompt"
	}
	return "server_error"
}

// ending is the status of an answer, and the details of one that is not complete.
func ending(why dialect.StopReason) (status, details string) {
	switch why {
	case dialect.StopLength, dialect.StopContext:
		return "incomplete", `{"reason":"max_output_tokens"}`
	case dialect.StopFiltered:
		return "incomplete", `{"reason":"content_filter"}`
	}
	return "completed", "null"
}

// Whole implements dialect.Writer.
func (w *answer) Whole(dst []byte, a *dialect.Answer, b dialect.Bill) []byte {
	for i := range a.Parts {
		w.whole(&a.Parts[i])
	}
	w.keep()
	status, details := ending(a.Why)
	items := string(w.list.End(w.items))
	return w.response(dst, status, "null", details, items, string(usage(nil, b.Told(&a.Usage), b.Cost)))
}

// response writes the response as it is so far.
func (w *answer) response(dst []byte, status, failed, details, output, use string) []byte {
	r := w.head.Request
	if r == nil {
		r = new(dialect.Request)
	}
	o := wire.Begin(dst)
	o.Text("id", "resp_"+w.head.ID)
	o.Raw("object", `"response"`)
	o.Int("created_at", w.head.Created)
	o.Text("status", status)
	o.Raw("background", "false")
	o.Raw("error", failed)
	o.Raw("incomplete_details", details)
	o.Raw("instructions", "null")
	if r.MaxOutput > 0 {
		o.Int("max_output_tokens", r.MaxOutput)
	} else {
		o.Raw("max_output_tokens", "null")
	}
	o.Text("model", w.head.Model)
	o.Raw("output", output)
	o.Bool("parallel_tool_calls", r.Parallel != dialect.No)
	o.Raw("previous_response_id", "null")
	o.Raw("reasoning", `{"effort":null,"summary":null}`)
	o.Raw("service_tier", `"default"`)
	o.Raw("store", "false")
	number(&o, "temperature", r.Temperature)
	o.Raw("text", `{"format":{"type":"text"}}`)
	o.Raw("tool_choice", `"auto"`)
	o.Raw("tools", "[]")
	number(&o, "top_p", r.TopP)
	o.Raw("truncation", `"disabled"`)
	o.Raw("usage", use)
	o.Raw("user", "null")
	if r.Metadata != nil {
		o.Value("metadata", r.Metadata)
	} else {
		o.Raw("metadata", "{}")
	}
	return o.End()
}

func number(o *wire.Object, key string, n dialect.Number) {
	if n == "" {
		n = "1"
	}
	o.Raw(key, string(n))
}

func usage(dst []byte, u *dialect.Usage, cost dialect.Number) []byte {
	o := wire.Begin(dst)
	o.Int("input_tokens", u.Input)
	o.Raw("input_tokens_details", `{"cached_tokens":`)
	o.Buf = strconv.AppendInt(o.Buf, u.CachedInput, 10)
	if n := u.CacheWrite + u.CacheWriteLong; n > 0 {
		o.Buf = strconv.AppendInt(append(o.Buf, `,"cache_write_tokens":`...), n, 10)
	}
	o.Buf = append(o.Buf, '}')
	o.Int("output_tokens", u.Output)
	o.Raw("output_tokens_details", `{"reasoning_tokens":`)
	o.Buf = append(strconv.AppendInt(o.Buf, u.Reasoning, 10), '}')
	o.Int("total_tokens", u.Input+u.Output)
	if cost != "" {
		o.Raw("cost", string(cost))
	}
	return o.End()
}
