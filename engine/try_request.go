package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"tallygate/engine/control"
	"tallygate/engine/gateway"
	"tallygate/engine/tally"
	"tallygate/providers"
)

const (
	tryPrompt = "Say hello in one short sentence."
	tryOutput = 256 // tokens: a try must not cost much
)

// send sends the request through the public plane, and explains its record.
func (a *attempt) send(ctx context.Context) error {
	if a.stop != "" {
		a.check(stepRequest, nil)
		return nil
	}
	path, body := a.body()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tallygate/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if a.p.Client.Session.Missing == tally.MissingRefuse {
		r.Header.Set("X-Session-Id", "tallygate try")
	}
	w := &captured{header: http.Header{}, status: http.StatusOK}
	a.gateway.ServeAs(w, r, gateway.Trial{Key: a.p.Key.ID})
	a.out.Status = w.status
	answer, failure := readAnswer(w.body.Bytes())
	a.out.Answer = answer
	rec, err := a.record(ctx, tally.ID(w.header.Get("X-Request-Id")))
	if err != nil {
		return err
	}
	if rec != nil {
		a.out.Request = viewRequest(a.c, rec, a.clock())
	}
	if w.status != http.StatusOK {
		a.step(stepRequest, false, fmt.Sprintf("status %d: %s", w.status, cmp.Or(failure, strings.TrimSpace(w.body.String())))+failedText(&a.out.Request)+waitedText(&a.out.Request))
		return nil
	}
	a.step(stepRequest, true, recordText(&a.out.Request))
	return nil
}

// body is the request, and the path it is for.
func (a *attempt) body() (path string, body []byte) {
	prompt := cmp.Or(a.in.Prompt, tryPrompt)
	fields := map[string]any{"model": cmp.Or(a.in.Model, a.to[0].Model.Name)}
	endpoint := providers.Chat
	switch a.to[0].Model.Mode {
	case "embedding":
		endpoint, fields["input"] = providers.Embeddings, prompt
	case "completion":
		endpoint, fields["prompt"], fields["max_tokens"] = providers.Completions, prompt, tryOutput
	default:
		fields["messages"] = []map[string]string{{"role": "user", "content": prompt}}
		fields["max_tokens"] = tryOutput
	}
	body, _ = json.Marshal(fields) // strings and numbers cannot fail
	return string(endpoint), body
}

// recordText tells what a request came to.
func recordText(r *control.RequestView) string {
	attempts := "one attempt"
	if r.Attempts != 1 {
		attempts = fmt.Sprintf("%d attempts", r.Attempts)
	}
	cut := ""
	if r.Cut {
		cut = "; cut at our bound, as a limit allowed no more output"
	}
	return fmt.Sprintf("answered by %s in %.0f ms after %s: %s + %s tokens (%s), $%s; recorded as %s",
		r.Provider, r.TotalMS, attempts, tally.Group(r.InputTokens), tally.Group(r.OutputTokens), r.Basis, r.CostUSD, r.ID) + failedText(r) + waitedText(r) + cut
}

// failedText says why attempts failed.
func failedText(r *control.RequestView) (out string) {
	for i := range r.Tries {
		if why := r.Tries[i].Why(); why != "" {
			out += fmt.Sprintf("; provider %s: %s", r.Tries[i].Provider, why)
		}
	}
	return out
}

// waitedText says how long a request waited for room.
func waitedText(r *control.RequestView) string {
	switch ms := r.WaitedMS; {
	case ms < 1:
		return ""
	case ms < 1000:
		return fmt.Sprintf("; it waited %.0f ms for room", ms)
	default:
		return fmt.Sprintf("; it waited %.1f s for room", ms/1000)
	}
}

// readAnswer finds what is said in an answer of OpenAI's shape, or why there is
// none.
func readAnswer(body []byte) (answer, failure string) {
	var a struct {
		Choices []struct {
			Text    string
			Message struct {
				Content string
			}
		}
		Data  []struct{ Embedding json.RawMessage }
		Error struct{ Message string }
	}
	if json.Unmarshal(body, &a) != nil {
		return "", ""
	}
	if len(a.Choices) > 0 {
		return a.Choices[0].Message.Content + a.Choices[0].Text, ""
	}
	if len(a.Data) > 0 {
		return fmt.Sprintf("an embedding of %s bytes", tally.Group(int64(len(a.Data[0].Embedding)))), ""
	}
	return "", a.Error.Message
}

// captured is an answer of the public plane, kept in memory.
type captured struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (c *captured) Header() http.Header         { return c.header }
func (c *captured) WriteHeader(status int)      { c.status = status }
func (c *captured) Flush()                      {}
func (c *captured) Write(b []byte) (int, error) { return c.body.Write(b) }
