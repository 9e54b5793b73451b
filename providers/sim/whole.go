package sim

import (
	"bytes"
	"strconv"
	"time"

	"tallygate/providers"
)

// memory holds an answer in one piece: what a providers.Whole reads from.
type memory struct{ bytes.Reader }

// whole is the body of an answer in one piece.
func whole(answer []byte) *providers.Whole {
	src := new(memory)
	src.Reset(answer)
	return providers.NewWhole(src, providers.WholeOptions{Length: int64(len(answer))})
}

// SetReadDeadline implements providers.Source. Nothing is waited for.
func (*memory) SetReadDeadline(time.Time) error { return nil }

// Close implements providers.Source.
func (*memory) Close() error { return nil }

// write writes the answer in one piece.
func (a *answer) write() []byte {
	size := 512
	for i := range a.choices {
		size += 256 + len(a.choices[i].text)
	}
	object := "text_completion"
	if a.chat {
		object = "chat.completion"
	}
	b := a.open(make([]byte, 0, size), object)
	for i := range a.choices {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = a.choices[i].appendMessage(b, a.chat)
		b = append(b, `,"logprobs":null,"finish_reason":"`...)
		b = append(b, a.choices[i].finish...)
		b = append(b, `"}`...)
	}
	b = a.appendUsage(append(b, `],"usage":`...))
	return append(b, '}')
}

// open begins an answer or an event, up to its choices.
func (a *answer) open(b []byte, object string) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, a.id...)
	b = append(b, `","object":"`...)
	b = append(b, object...)
	b = append(b, `","created":`...)
	b = strconv.AppendInt(b, a.created, 10)
	b = append(b, `,"model":"`...)
	b = append(b, a.model...)
	return append(b, `","choices":[`...)
}

// appendMessage writes what a choice says.
func (c *choice) appendMessage(b []byte, chat bool) []byte {
	switch {
	case !chat:
		b = append(b, `,"text":"`...)
		b = append(b, c.text...)
		return append(b, '"')
	case c.tool != nil:
		b = append(b, `,"message":{"role":"assistant","content":null,"refusal":null,"tool_calls":[{`...)
		b = c.appendCall(b, c.text)
		return append(b, `]}`...)
	}
	b = append(b, `,"message":{"role":"assistant","content":"`...)
	b = append(b, c.text...)
	return append(b, `","refusal":null,"annotations":[]}`...)
}

// appendCall writes the members of a call of a tool with its arguments so far, and ends the
// call.
func (c *choice) appendCall(b, arguments []byte) []byte {
	b = append(b, `"id":"`...)
	b = append(b, c.callID...)
	b = append(b, `","type":"function","function":{"name":"`...)
	b = append(b, c.tool...)
	b = append(b, `","arguments":"`...)
	b = append(b, arguments...)
	return append(b, `"}}`...)
}

// appendUsage writes the usage object, with the details that clients look for.
func (a *answer) appendUsage(b []byte) []byte {
	b = append(b, `{"prompt_tokens":`...)
	b = strconv.AppendInt(b, a.promptTokens, 10)
	b = append(b, `,"completion_tokens":`...)
	b = strconv.AppendInt(b, a.completionTokens, 10)
	b = append(b, `,"total_tokens":`...)
	b = strconv.AppendInt(b, a.promptTokens+a.completionTokens, 10)
	return append(b, `,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},`+
		`"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`...)
}
