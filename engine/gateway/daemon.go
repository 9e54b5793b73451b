package gateway

import (
	"encoding/json"

	"tallygate/engine/tally"
	"tallygate/providers/dialect"
)

// daemon is what the WebLLM daemon speaks, for the npm package webllm as it is.
type daemon struct{}

func (daemon) name() string { return "api" }

// daemonFields are the fields of a request to the daemon, with what they are
// called in a chat completion. topK has no such thing: most upstreams refuse it,
// and the few best tokens say nearly the same as topP.
type daemonFields struct {
	Messages         json.RawMessage `json:"messages"`
	Model            *string         `json:"model"`
	Temperature      *json.Number    `json:"temperature"`
	MaxTokens        *json.Number    `json:"maxTokens"`
	TopP             *json.Number    `json:"topP"`
	FrequencyPenalty *json.Number    `json:"frequencyPenalty"`
	PresencePenalty  *json.Number    `json:"presencePenalty"`
	StopSequences    json.RawMessage `json:"stopSequences"`
	Stream           bool            `json:"stream"`
}

func (daemon) request(_ *exchange, dst, body []byte) ([]byte, *tally.Refusal) {
	var in daemonFields
	if err := json.Unmarshal(body, &in); err != nil {
		return dst, tally.BadRequest("", "The request cannot be read: it is not the JSON of a request to the WebLLM daemon.")
	}
	switch {
	case in.Stream:
		return dst, tally.BadRequest("stream", "This path answers in one piece. For a stream use POST /v1/chat/completions, or the client at /sdk/webllm.js.")
	case len(in.Messages) == 0 || in.Messages[0] != '[':
		return dst, tally.BadRequest("messages", "The request has no list of messages.")
	}
	out, err := json.Marshal(struct {
		Model            *string         `json:"model,omitempty"`
		Messages         json.RawMessage `json:"messages"`
		Temperature      *json.Number    `json:"temperature,omitempty"`
		MaxTokens        *json.Number    `json:"max_tokens,omitempty"`
		TopP             *json.Number    `json:"top_p,omitempty"`
		FrequencyPenalty *json.Number    `json:"frequency_penalty,omitempty"`
		PresencePenalty  *json.Number    `json:"presence_penalty,omitempty"`
		Stop             json.RawMessage `json:"stop,omitempty"`
	}{in.Model, in.Messages, in.Temperature, in.MaxTokens, in.TopP, in.FrequencyPenalty, in.PresencePenalty, in.StopSequences})
	if err != nil {
		return dst, tally.BadRequest("", "The request cannot be read: "+err.Error()+".")
	}
	return append(dst, out...), nil
}

// answer is an answer as the daemon would tell it.
func (daemon) answer(x *exchange, body []byte) ([]byte, error) {
	if x.form.envelope.Dialect != dialect.Chat {
		told, err := inChat.answer(x, body)
		if err != nil {
			return nil, err
		}
		body = told
	}
	var in struct {
		Choices []struct {
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
			FinishReason string `json:"finish_reason"`
		} `json:"choices"`
	}
	json.Unmarshal(body, &in) // it is JSON: its usage has been read from it
	type usage struct {
		Prompt     int64 `json:"promptTokens"`
		Completion int64 `json:"completionTokens"`
		Total      int64 `json:"totalTokens"`
	}
	used := x.latest().Tokens
	out := struct {
		ID           string `json:"id"`
		Content      string `json:"content"`
		Model        string `json:"model"`
		Provider     string `json:"provider"`
		Usage        usage  `json:"usage"`
		FinishReason string `json:"finishReason"`
	}{
		ID: string(x.id), Model: x.target.Model.Name, Provider: x.target.Upstream.Config.Name,
		Usage: usage{used.Prompt(), used.Completion(), used.Total()},
	}
	if len(in.Choices) > 0 {
		out.Content, out.FinishReason = in.Choices[0].Message.Content, in.Choices[0].FinishReason
	}
	return json.Marshal(out)
}

func (daemon) refusal(_ *exchange, refusal *tally.Refusal) []byte {
	body, _ := json.Marshal(map[string]string{"error": refusal.Code, "message": refusal.Message}) // strings cannot fail
	return body
}
