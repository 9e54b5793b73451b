package providertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// answer is a reply read to its end, with the contract of [providers.Body]
// checked on the way.
type answer struct {
	body   strings.Builder
	text   strings.Builder // contents of all choices, joined
	events int             // with content
	finish []string
	usage  json.RawMessage // as the client sees it; nil if it does not
	model  string

	err       error // of Next; nil at the proper end
	report    providers.Report
	tokens    tally.Tokens // of the report
	reported  bool
	delivered int64
}

// chunk is an answer or an event, as clients decode it.
type chunk struct {
	Model   string
	Choices []struct {
		Text    string
		Message struct{ Content *string }
		Delta   struct{ Content *string }
		Finish  *string `json:"finish_reason"`
	}
	Usage json.RawMessage
}

// read reads a reply to its end and closes it. After so many blocks it stops early, as a
// client does that goes away; if blocks is negative, it does not.
func read(t testing.TB, r *providers.Reply, blocks int) *answer {
	t.Helper()
	a := new(answer)
	defer func() {
		if err := r.Body.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if b, err := r.Body.Next(); err == nil {
			t.Errorf("Next returned %d bytes after Close", len(b))
		}
		r.Body.Close()
	}()
	marked := false
	for ; blocks != 0; blocks-- {
		b, err := r.Body.Next()
		if err != nil {
			if err != io.EOF {
				a.err = err
			}
			if _, again := r.Body.Next(); again == nil || (again == io.EOF) != (err == io.EOF) {
				t.Errorf("Next returned %v, and then %v", err, again)
			}
			break
		}
		if len(b) == 0 {
			t.Error("Next returned nothing, and no error")
		}
		if marked {
			t.Errorf("after the end marker came %q", b)
		}
		a.take(t, r, b)
		marked = r.Body.Final() >= 0
	}
	a.report = r.Body.Report()
	a.report.Split = 0 // the split follows from the spelling, which the package of the reader tests
	a.tokens, a.reported = a.report.Tokens, a.report.Known != providers.KnownNothing
	if a.delivered = r.Body.Delivered(); a.delivered < int64(a.events) {
		t.Errorf("%d tokens delivered in %d events with content", a.delivered, a.events)
	}
	if r.Stream && blocks < 0 && a.err == nil && !marked {
		t.Error("a stream ended without its marker")
	}
	return a
}

// take looks at one block.
func (a *answer) take(t testing.TB, r *providers.Reply, b []byte) {
	t.Helper()
	if from, to := r.Body.UsageAt(); to > 0 {
		a.priced(t, b, from, to)
	}
	final := r.Body.Final()
	a.body.Write(b)
	if !r.Stream {
		if final >= 0 {
			t.Errorf("an answer in JSON has an end marker at %d", final)
		}
		a.event(t, b)
		return
	}
	if final >= 0 && !isMarker(b[final:]) {
		t.Errorf("Final points to %q", b[final:])
	}
	if !bytes.HasSuffix(b, []byte("\n\n")) && !bytes.HasSuffix(b, []byte("\n\r\n")) {
		t.Errorf("a block ends within an event: %q", b[max(0, len(b)-80):])
	}
	for line := range bytes.Lines(b) {
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok && string(bytes.TrimSpace(data)) != "[DONE]" {
			a.event(t, data)
		}
	}
}

// isMarker reports whether an event is the one that ends a stream.
func isMarker(b []byte) bool {
	text := string(bytes.TrimSpace(b))
	return text == "data: [DONE]" || text == "data:[DONE]" || strings.HasPrefix(text, "event: ") &&
		strings.Count(text, "data:") == 1 &&
		(strings.Contains(text, `"type":"message_stop"`) || strings.Contains(text, `"type":"response.completed"`))
}

// event looks at one event, or at an answer in JSON.
func (a *answer) event(t testing.TB, data []byte) {
	t.Helper()
	var c chunk
	if err := json.Unmarshal(data, &c); err != nil {
		if passed := string(bytes.TrimSpace(data)); passed == halfEvent || passed == noJSON {
			return
		}
		t.Errorf("what reaches the client is not JSON: %v in %.200q", err, data)
		return
	}
	content := false
	if a.model = c.Model; c.Choices == nil && !bytes.Contains(data, []byte(`"embedding"`)) {
		content = a.hear(data, &c)
	}
	for _, choice := range c.Choices {
		text := choice.Text
		for _, s := range []*string{choice.Message.Content, choice.Delta.Content} {
			if s != nil {
				text += *s
			}
		}
		a.text.WriteString(text)
		content = content || text != ""
		if choice.Finish != nil {
			a.finish = append(a.finish, *choice.Finish)
		}
	}
	if content {
		a.events++
	}
	if len(c.Usage) > 0 && string(c.Usage) != "null" {
		if a.usage != nil {
			t.Error("usage was reported twice")
		}
		a.usage = c.Usage
	}
}

// hear looks at an event, or an answer in one piece, of another dialect than chat
// completions, and reports whether it has content.
func (a *answer) hear(data []byte, c *chunk) bool {
	var h heard
	if json.Unmarshal(data, &h) != nil {
		return false
	}
	text := h.text()
	a.text.WriteString(text)
	if c.Usage == nil {
		c.Usage = h.Response.Usage
	}
	return text != ""
}

// priced checks that the cost can be put where a body says its usage is.
func (a *answer) priced(t testing.TB, b []byte, from, to int) {
	t.Helper()
	if from < 0 || from >= to || to > len(b) {
		t.Errorf("UsageAt is %d, %d of %d bytes", from, to, len(b))
		return
	}
	var usage map[string]any
	if err := json.Unmarshal(providers.AppendCost(nil, b[from:to], 1_500_000), &usage); err != nil {
		t.Errorf("the usage with a cost in it is not JSON: %v in %q", err, b[from:to])
		return
	}
	if usage["cost"] != 0.0015 {
		t.Errorf("the cost in %q is %v, want 0.0015", b[from:to], usage["cost"])
	}
}

// upstreamError returns err as what every failure must be.
func upstreamError(t testing.TB, err error) *providers.UpstreamError {
	t.Helper()
	up, ok := errors.AsType[*providers.UpstreamError](err)
	if !ok {
		t.Fatalf("%v (%T) is not an *UpstreamError", err, err)
	}
	if told := fmt.Sprint(err, up.Words, up.RequestID); strings.Contains(told, Key) || strings.Contains(told, Key[:12]) || strings.Contains(told, Key[len(Key)-8:]) {
		t.Errorf("the error names the API key: %s", told)
	}
	return up
}
