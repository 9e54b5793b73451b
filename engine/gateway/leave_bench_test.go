package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers/openai"
)

// A caller that leaves a stream ends the upstream's work, where it is to be ended. The
// benchmark tells how long after the caller has closed its connection the upstream finds its
// own closed, with a hundred streams open at a time.
//
//	go test -run '^$' -bench Leaving -benchtime 10x ./engine/gateway
func BenchmarkLeaving(b *testing.B) {
	const streams = 100
	var mu sync.Mutex
	left, began := map[string]time.Time{}, sync.WaitGroup{}
	var took []time.Duration
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // it names the caller
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, `data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}`+"\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		for user, at := range left {
			if strings.Contains(string(body), `"`+user+`"`) {
				took = append(took, now.Sub(at))
				delete(left, user)
				began.Done()
			}
		}
	}))
	defer up.Close()
	w := newWorld(b)
	w.kinds = openai.Kinds()
	w.provider.ProviderKind, w.provider.BaseURL = "custom", up.URL+"/v1"
	w.settings.OnLeave = tally.LeaveCancel
	w.open()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: streams}}
	for b.Loop() {
		var leave []func()
		for i := range streams {
			user := "u" + string(rune('0'+i/10)) + string(rune('0'+i%10))
			ctx, cancel := context.WithCancel(context.Background())
			r, _ := http.NewRequestWithContext(ctx, "POST", w.http.URL+"/v1/chat/completions", strings.NewReader(`{"model":"sim-small","stream":true,"user":"`+user+`","messages":[{"role":"user","content":"hi"}]}`))
			r.Header.Set("Authorization", "Bearer "+w.token)
			resp, err := client.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(resp.Body, make([]byte, 6)); err != nil {
				b.Fatal(err)
			}
			leave = append(leave, func() {
				mu.Lock()
				left[user] = time.Now()
				mu.Unlock()
				cancel()
			})
		}
		began.Add(streams)
		for _, f := range leave {
			f()
			time.Sleep(time.Millisecond)
		}
		began.Wait()
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
