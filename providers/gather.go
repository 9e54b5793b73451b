package providers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"tallygate/providers/dialect"
)

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// maxPieces bounds the choices of an answer, and the calls of tools in one.
const maxPieces = 4096

var errGather = errors.New("the answer is a stream, which was not asked for and cannot be put together")

// gather puts the events of a stream together to the answer in one piece that was asked
// for. The events are read as those of any stream, so they end, fail and count as a stream
// does.
func gather(events []byte, o *WholeOptions) (answer []byte, read *Stream, err error) {
	read = NewStream(&memory{bytes.NewReader(events)}, StreamOptions{
		Dialect: o.Dialect, KeepUsage: true, Choices: o.Choices, Keys: o.Keys,
	})
	defer read.Close()
	if nameOf(o.Dialect) != dialect.Chat {
		answer, err = gatherOther(read, o.Dialect)
		return answer, read, err
	}
	whole := map[string]any{}
	var all []any
	for {
		block, err := read.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, read, err
		}
		for i := 0; i < len(block); {
			ev := nextEvent(block, i)
			i = ev.end
			in := json.NewDecoder(bytes.NewReader(block[ev.data:ev.dataEnd]))
			in.UseNumber()
			var event map[string]any
			if ev.lines == 0 || in.Decode(&event) != nil {
				continue // a comment, the mark, or what is no JSON
			}
			if all, err = mergeEvent(whole, all, event); err != nil {
				return nil, read, bad(err)
			}
		}
	}
	if object, _ := whole["object"].(string); object == "chat.completion.chunk" {
		whole["object"] = "chat.completion"
	}
	for _, c := range all {
		message, _ := c.(map[string]any)["message"].(map[string]any)
		if message == nil {
			continue
		}
		if message["content"] == nil {
			message["content"] = nil // content is always there
		}
		if calls, _ := message["tool_calls"].([]any); calls != nil {
			for _, call := range calls {
				if call, ok := call.(map[string]any); ok {
					delete(call, "index")
				}
			}
		}
	}
	whole["choices"] = all
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(whole); err != nil {
		return nil, read, bad(errGather)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), read, nil
}

// mergeEvent adds one event to an answer and its choices.
func mergeEvent(whole map[string]any, all []any, event map[string]any) ([]any, error) {
	for key, v := range event {
		switch {
		case v == nil || key == "choices":
		case key == "usage":
			if _, is := v.(map[string]any); is {
				whole[key] = v // the last one counts
			}
		case v != "":
			whole[key] = v
		}
	}
	list, _ := event["choices"].([]any)
	for _, c := range list {
		choice, ok := c.(map[string]any)
		if !ok {
			continue
		}
		if usage, is := choice["usage"].(map[string]any); is && event["usage"] == nil {
			whole["usage"] = usage
		}
		delete(choice, "usage")
		if delta, is := choice["delta"]; is {
			choice["message"] = delta
			delete(choice, "delta")
		}
		if _, numbered := choice["index"].(json.Number); !numbered {
			choice["index"] = json.Number("0")
		}
		var err error
		if all, err = mergeList(all, []any{choice}); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// grown is a string that comes in pieces.
type grown struct{ b []byte }

// MarshalJSON implements json.Marshaler.
func (t *grown) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(string(t.b))
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), err
}

// growing are the strings of a delta that come in pieces. All other strings come whole, and
// some upstreams repeat them in every event.
var growing = []string{"content", "text", "arguments", "refusal", "reasoning_content", "reasoning", "reasoning_text", "thinking", "transcript", "data", "input"}

// merge adds what an event says to what was said.
func merge(to, more map[string]any) error {
	for key, v := range more {
		switch v := v.(type) {
		case nil:
			if _, there := to[key]; !there {
				to[key] = nil
			}
		case string:
			switch old := to[key].(type) {
			case *grown:
				old.b = append(old.b, v...)
			default:
				if slices.Contains(growing, key) {
					to[key] = &grown{[]byte(v)}
				} else if v != "" || old == nil {
					to[key] = v
				}
			}
		case map[string]any:
			old, ok := to[key].(map[string]any)
			if !ok {
				old = map[string]any{}
				to[key] = old
			}
			if err := merge(old, v); err != nil {
				return err
			}
		case []any:
			old, _ := to[key].([]any)
			list, err := mergeList(old, v)
			if err != nil {
				return err
			}
			to[key] = list
		default:
			to[key] = v
		}
	}
	return nil
}

// mergeList adds elements to a list. An element goes to the one of the same index and type,
// or else behind the others.
func mergeList(to, more []any) ([]any, error) {
	for _, v := range more {
		piece, ok := v.(map[string]any)
		index, numbered := piece["index"].(json.Number)
		if !numbered {
			if ok {
				whole := map[string]any{}
				if err := merge(whole, piece); err != nil {
					return nil, err
				}
				v = whole
			}
			to = append(to, v)
			continue
		}
		at := -1
		for i := range to {
			old, _ := to[i].(map[string]any)
			had, _ := old["type"].(string)
			has, _ := piece["type"].(string)
			if n, _ := old["index"].(json.Number); n == index && (had == "" || has == "" || had == has) {
				at = i
				break
			}
		}
		if at < 0 {
			if len(to) >= maxPieces {
				return nil, errGather
			}
			at = len(to)
			to = append(to, map[string]any{})
		}
		if err := merge(to[at].(map[string]any), piece); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// memory is a Source that holds all that it gives.
type memory struct{ *bytes.Reader }

// SetReadDeadline implements Source.
func (*memory) SetReadDeadline(time.Time) error { return nil }

// Close implements Source.
func (*memory) Close() error { return nil }
