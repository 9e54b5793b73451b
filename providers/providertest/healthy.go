package providertest

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"tallygate/providers/dialect"
)

// asked is what a healthy upstream reads of a request.
type asked struct {
	Messages []struct{ Content string }
	Prompt   any
	Input    json.RawMessage
	N        int
	Stream   bool
	Options  struct {
		Usage bool `json:"include_usage"`
	} `json:"stream_options"`
	MaxTokens     *int   `json:"max_tokens"`
	MaxCompletion *int   `json:"max_completion_tokens"`
	MaxOutput     *int   `json:"max_output_tokens"`
	Format        string `json:"encoding_format"`
}

// words is how much a healthy upstream has to say. A word is a token.
const words = 12

// healthy answers as a good upstream does: with the first word of the last
// message, so that answers can be told apart, and more words up to the bound.
func (x *exchange) healthy() {
	x.kept = true
	var a asked
	if err := json.Unmarshal(x.Body, &a); err != nil {
		x.status(400, `{"error":{"message":"not JSON","type":"invalid_request_error","param":null,"code":null}}`)
		return
	}
	if strings.HasSuffix(x.Path, "/embeddings") {
		var inputs any
		json.Unmarshal(a.Input, &inputs) // it was JSON before
		x.embeddings(inputs, a.Format == "base64")
		return
	}
	if x.speaks() == dialect.Responses {
		json.Unmarshal(a.Input, &a.Messages) // they have the same form here
	}
	said := []string{"hello"}
	if len(a.Messages) > 0 {
		said = strings.Fields(a.Messages[len(a.Messages)-1].Content + " hello")[:1]
	}
	for len(said) < words {
		said = append(said, fmt.Sprintf("w%d", len(said)))
	}
	finish := "stop"
	for _, most := range []*int{a.MaxTokens, a.MaxCompletion, a.MaxOutput} {
		if most != nil && *most < len(said) {
			said, finish = said[:*most], "length"
		}
	}
	if x.speaks() != dialect.Chat {
		x.healthyIn(said, a.Stream)
		return
	}
	prompts, _ := a.Prompt.([]any)
	choices := max(a.N, 1) * max(len(prompts), 1)
	n := choices * len(said)
	usage := fmt.Sprintf(`{"prompt_tokens":20,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":5}}`, n, 20+n)
	chat := strings.HasSuffix(x.Path, "/chat/completions")
	if a.Stream {
		x.healthyStream(chat, choices, said, finish, usage, a.Options.Usage)
		return
	}
	all := make([]string, choices)
	for i := range all {
		text := `"text":"` + strings.Join(said, " ") + `"`
		if chat {
			text = `"message":{"role":"assistant","content":"` + strings.Join(said, " ") + `"}`
		}
		all[i] = fmt.Sprintf(`{"index":%d,%s,"finish_reason":"%s"}`, i, text, finish)
	}
	x.json(`{"id":"p","object":"chat.completion","created":1,"model":` + x.model() + `,"choices":[` + strings.Join(all, ",") + `],"usage":` + usage + `}`)
}

// healthyIn answers in another dialect than chat completions.
func (x *exchange) healthyIn(said []string, stream bool) {
	if !stream {
		x.json(x.message(strings.Join(said, " "), goodUsage))
		return
	}
	x.stream(opening)
	for i, word := range said {
		if i > 0 {
			word = " " + word
		}
		x.event(saying(word))
	}
	x.event(finishing + reporting(goodUsage))
	x.finish()
}

func (x *exchange) healthyStream(chat bool, choices int, said []string, finish, usage string, report bool) {
	event := func(i int, text, finish string) {
		what := `"text":"` + text + `"`
		if chat {
			what = `"delta":{"content":"` + text + `"}`
		}
		x.event(fmt.Sprintf(`data: {"id":"s","object":"chat.completion.chunk","created":1,"model":%s,"choices":[{"index":%d,%s,"finish_reason":%s}]}`+"\n\n", x.model(), i, what, finish))
	}
	x.stream()
	for i := range choices {
		for j, w := range said {
			if j > 0 {
				w = " " + w
			}
			event(i, w, "null")
		}
		event(i, "", `"`+finish+`"`)
	}
	if report {
		x.event(reporting(usage))
	}
	x.finish()
}

// embeddings answers with a vector for each input.
func (x *exchange) embeddings(input any, binary64 bool) {
	inputs, _ := input.([]any)
	all := make([]string, max(len(inputs), 1))
	for i := range all {
		v := []float32{float32(i) + 0.5, -0.25, 0.1, 1e-7}
		text := fmt.Sprintf("[%v,%v,%v,%v]", v[0], v[1], v[2], v[3])
		if binary64 {
			var raw []byte
			for _, f := range v {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
			}
			text = `"` + base64.StdEncoding.EncodeToString(raw) + `"`
		}
		all[i] = fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":%s}`, i, text)
	}
	x.json(`{"object":"list","data":[` + strings.Join(all, ",") + `],"model":` + x.model() + `,"usage":{"prompt_tokens":3,"total_tokens":3}}`)
}

// model is the name that was asked for, as JSON.
func (x *exchange) model() string {
	quoted, _ := json.Marshal(x.Model) // a string cannot fail
	return string(quoted)
}
