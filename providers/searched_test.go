package providers

import (
	"io"
	"testing"

	"tallygate/providers/dialect/responses"
)

// Each search of a response is an item of its output, whatever the usage says. Without items
// nobody has counted.
func TestSearchesOfResponses(t *testing.T) {
	const search, said = `{"type":"web_search_call","id":"ws_1","status":"completed"}`, `{"type":"message","content":[{"type":"output_text","text":"hi"}]}`
	for output, want := range map[string]int64{said: 0, search + "," + said: 1, search + "," + said + "," + search: 2, "": -1} {
		response := `{"object":"response","status":"completed","output":[` + output + `],"usage":{"input_tokens":3,"output_tokens":2}}`
		check := func(how string, b Body, err error) {
			if err != nil && err != io.EOF {
				t.Fatalf("%s, %s: %v", how, output, err)
			}
			if r := b.Report(); r.Counted != (want >= 0) || r.Pieces != max(want, 0) {
				t.Errorf("%s, %s: %d, %v; want %d", how, output, r.Pieces, r.Counted, want)
			}
			b.Close()
		}
		w := NewWhole(&pieces{text: response, size: func() int { return len(response) }}, WholeOptions{Dialect: responses.Dialect{}, Length: -1})
		_, err := w.Next()
		check("whole", w, err)
		text := "event: response.output_item.done\ndata: " + `{"type":"response.output_item.done","output_index":0,"item":` + said + "}\n\n" +
			"event: response.completed\ndata: " + `{"type":"response.completed","response":` + response + "}\n\n"
		s := NewStream(&pieces{text: text, size: func() int { return len(text) }}, StreamOptions{Dialect: responses.Dialect{}})
		for err = nil; err == nil; {
			_, err = s.Next()
		}
		check("stream", s, err)
	}
}
