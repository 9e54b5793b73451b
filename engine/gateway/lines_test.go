package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// thinker is a provider whose streams say things after a while.
type thinker struct {
	says []said
	used *int // how often it was asked
}

// said is what comes after a while; "" is a broken connection.
type said struct {
	after time.Duration
	text  string
}

func (p thinker) Do(context.Context, providers.Call) (*providers.Reply, error) {
	*p.used++
	return &providers.Reply{Status: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Stream: true,
		Body: providers.NewStream(&thoughts{says: p.says}, providers.StreamOptions{})}, nil
}

func (p thinker) Models(context.Context) ([]providers.ModelInfo, error) { return nil, nil }
func (p thinker) Close() error                                          { return nil }

type thoughts struct{ says []said }

func (s *thoughts) Read(b []byte) (int, error) {
	if len(s.says) == 0 {
		return 0, io.EOF
	}
	now := s.says[0]
	s.says = s.says[1:]
	time.Sleep(now.after)
	if now.text == "" {
		return 0, errors.New("broken")
	}
	return copy(b, now.text), nil
}

func (s *thoughts) SetReadDeadline(time.Time) error { return nil }
func (s *thoughts) Close() error                    { return nil }

// While a model thinks, the caller of a stream is told every 15 seconds that it is
// still being waited for; from then on the answer has begun, and nobody else is asked.
func TestSilence(t *testing.T) {
	const (
		role   = `data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}` + "\n\n"
		text   = `data: {"choices":[{"index":0,"delta":{"content":"42"}}]}` + "\n\n"
		rest   = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" + `data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3000}}` + "\n\ndata: [DONE]\n\n"
		failed = `data: {"error":{"message":"overloaded"}}` + "\n\n"
	)
	for name, tc := range map[string]struct {
		says     []said
		comments int
		text     bool // 42 has come
		asked    int  // providers
		status   int
		outcome  tally.Outcome
	}{
		"no event":                        {[]said{{70 * time.Second, text}, {0, rest}}, 4, true, 1, 200, tally.OK},
		"an empty event":                  {[]said{{0, role}, {70 * time.Second, text}, {0, rest}}, 4, true, 1, 200, tally.OK},
		"again and again":                 {[]said{{20 * time.Second, role}, {20 * time.Second, text}, {20 * time.Second, rest}}, 3, true, 1, 200, tally.OK},
		"none that is long":               {[]said{{14 * time.Second, role}, {14 * time.Second, text}, {14 * time.Second, rest}}, 0, true, 1, 200, tally.OK},
		"a failure before the first word": {[]said{{10 * time.Second, failed}}, 0, true, 2, 200, tally.OK},
		"a failure behind it":             {[]said{{40 * time.Second, failed}}, 2, false, 1, 200, tally.OutcomeFailed},
		"a cut behind it":                 {[]said{{40 * time.Second, ""}}, 2, false, 1, 200, tally.OutcomeFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				asked := 0
				w.kinds[0].New = func(cfg providers.Config) (providers.Provider, error) {
					if cfg.Provider.Name == "second" {
						return thinker{[]said{{0, text}, {0, rest}}, &asked}, nil
					}
					return thinker{tc.says, &asked}, nil
				}
				second, same := *w.provider, *w.models[0]
				second.ID, second.Name, same.ID, same.Provider = "pr_2", "second", "mo_2", "pr_2"
				w.more = append(w.more, &second)
				w.models = append(w.models, &same)
				w.gw.Providers = []tally.ID{"pr_1", "pr_2"}
				c := dialed(t, w)
				body := `{"model":"sim-small","messages":[{"role":"user","content":"hi"}],"stream":true}`
				go fmt.Fprintf(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", w.token, len(body), body)
				res, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Fatal(err)
				}
				read, err := io.ReadAll(res.Body)
				got := string(read)
				if err != nil || res.StatusCode != tc.status || strings.Count(got, string(comment)) != tc.comments || strings.Contains(got, `"42"`) != tc.text {
					t.Errorf("%v, status %d: %s", err, res.StatusCode, got)
				}
				if failed := tc.outcome != tally.OK; strings.Contains(got, `data: {"error":`) != failed || strings.HasSuffix(got, "[DONE]\n\n") == failed {
					t.Errorf("it ends so: %s", got)
				}
				synctest.Wait()
				rec := w.one()
				if asked != tc.asked || rec.Outcome != tc.outcome || rec.Status != tc.status || tc.text && rec.Tokens.Output != 3000 {
					t.Errorf("%d were asked; %+v", asked, rec)
				}
				if name == "a failure behind it" && (rec.Cost != 0 || !rec.Uncounted) || name == "a cut behind it" && rec.Cost == 0 {
					t.Errorf("what it cost: %+v", rec)
				}
			})
		})
	}
}
