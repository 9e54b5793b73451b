package providertest

import (
	"encoding/json"
	"regexp"
	"strings"

	"tallygate/providers/dialect"
)

// The scenarios are written in the words of chat completions. An exchange that is asked in
// another dialect says the same in that one: the pieces that scenarios are made of are
// replaced as they are written.

// speaks is the dialect that the exchange was asked in.
func (x *exchange) speaks() dialect.Name {
	switch {
	case strings.HasSuffix(x.Path, "/messages"):
		return dialect.Messages
	case strings.HasSuffix(x.Path, "/responses"):
		return dialect.Responses
	}
	return dialect.Chat
}

var (
	saidPiece  = pieceOf(saying("\x00"), "\x00")
	toldPiece  = pieceOf(reporting("\x00"), "\x00")
	wholePiece = regexp.MustCompile(`(?s)` + strings.NewReplacer("\x00", `([^"]*)`, `,"usage":`+"\x01",
		`(?:,"usage":(.*))?`).Replace(regexp.QuoteMeta(message("\x00", "\x01"))))
	markedPiece = regexp.MustCompile(`data: ?\[DONE\](\r?\n\r?\n)`)
)

func pieceOf(text, hole string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)` + strings.ReplaceAll(regexp.QuoteMeta(text), hole, "(.*?)"))
}

// speak says a text in the dialect of the exchange.
func (x *exchange) speak(text string) string {
	if x.speaks() == dialect.Chat {
		return text
	}
	v := voices[x.speaks()]
	text = strings.ReplaceAll(text, opening, v.opening)
	text = strings.ReplaceAll(text, finishing, v.finishing)
	text = saidPiece.ReplaceAllStringFunc(text, func(s string) string {
		return strings.Replace(v.saying, "%", saidPiece.FindStringSubmatch(s)[1], 1)
	})
	text = toldPiece.ReplaceAllStringFunc(text, func(s string) string {
		x.usage = v.usageOf(toldPiece.FindStringSubmatch(s)[1])
		return strings.Replace(v.reporting, "%", x.usage, 1)
	})
	text = wholePiece.ReplaceAllStringFunc(text, func(s string) string {
		parts := wholePiece.FindStringSubmatch(s)
		usage := ""
		if parts[2] != "" {
			usage = `,"usage":` + v.usageOf(parts[2])
		}
		return strings.Replace(strings.Replace(v.message, "%", parts[1], 1), "%", usage, 1)
	})
	return markedPiece.ReplaceAllStringFunc(text, func(s string) string {
		usage := x.usage
		if usage == "" {
			usage = "null"
		}
		return strings.Replace(v.marking, "%", usage, 1)
	})
}

// message is message in the dialect of the exchange.
func (x *exchange) message(text, usage string) string { return x.speak(message(text, usage)) }

// voice is what the pieces are in a dialect; % stands for what is in them.
type voice struct{ opening, saying, finishing, reporting, marking, message, usage string }

var voices = map[dialect.Name]voice{
	dialect.Messages: {
		opening:   "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"up\",\"content\":[]}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
		saying:    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"%\"}}\n\n",
		finishing: "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null}}\n\n",
		reporting: "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":%}\n\n",
		marking:   "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		message:   `{"id":"msg_1","type":"message","role":"assistant","model":"up","content":[{"type":"text","text":"%"}],"stop_reason":"end_turn","stop_sequence":null%}`,
		usage:     `{"input_tokens":15,"cache_read_input_tokens":5,"output_tokens":7,"output_tokens_details":{"thinking_tokens":3}}`,
	},
	dialect.Responses: {
		opening:   "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"in_progress\",\"model\":\"up\",\"output\":[],\"error\":null,\"usage\":null}}\n\n",
		saying:    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"m\",\"output_index\":0,\"content_index\":0,\"delta\":\"%\"}\n\n",
		finishing: "event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"message\",\"content\":[]}}\n\n",
		marking:   "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"output\":[],\"usage\":%}}\n\n",
		message:   `{"id":"resp_1","object":"response","status":"completed","model":"up","error":null,"output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"%","annotations":[]}]}]%}`,
		usage:     `{"input_tokens":20,"input_tokens_details":{"cached_tokens":5},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":27}`,
	},
}

// usageOf is a usage object in the words of a dialect.
func (v *voice) usageOf(usage string) string {
	if usage == goodUsage {
		return v.usage
	}
	return strings.NewReplacer("prompt_tokens", "input_tokens", "completion_tokens", "output_tokens").Replace(usage)
}

// heard is what a client of another dialect reads of an event, or of an answer in one
// piece.
type heard struct {
	Type    string
	Delta   json.RawMessage
	Content []struct{ Text string }
	Output  []struct{ Content []struct{ Text string } }

	Response struct{ Usage json.RawMessage }
}

// text is the text in it.
func (h *heard) text() (all string) {
	for _, c := range h.Content {
		all += c.Text
	}
	for _, o := range h.Output {
		for _, c := range o.Content {
			all += c.Text
		}
	}
	var part struct{ Text string }
	switch {
	case h.Type == "response.output_text.delta":
		json.Unmarshal(h.Delta, &all) // it is a string
	case json.Unmarshal(h.Delta, &part) == nil:
		all += part.Text
	}
	return all
}
