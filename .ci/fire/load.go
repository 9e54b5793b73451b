package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// load is callers at work.
type load struct {
	mu   sync.Mutex // guards what follows
	done []asked
}

// asked is what has become of a request.
type asked struct {
	id, provider string
	status       int
	stream       bool
	whole        bool   // it came to its proper end
	began        bool   // something of the answer has come
	text         string // of a refusal
	begin, end   time.Time
}

// run asks so many times a second, whatever has become of those before, and returns when all
// have ended.
func (l *load) run(ctx context.Context, url, key string, rate int, seed uint64) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	rnd := rand.New(rand.NewPCG(seed, 0))
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		body := fmt.Sprintf(`{"model":"m","max_tokens":60,"stream":%v,"user":"user %d","messages":[{"role":"user","content":"%s"}]}`, n%2 == 0, rnd.IntN(500), strings.Repeat("word ", 1+rnd.IntN(60)))
		all.Go(func() {
			a := call(client, url, key, body, n%2 == 0)
			l.mu.Lock()
			l.done = append(l.done, a)
			l.mu.Unlock()
		})
	}
}

func call(client *http.Client, url, key, body string, stream bool) (a asked) {
	a.stream, a.begin = stream, time.Now()
	defer func() { a.end = time.Now() }()
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		a.text = err.Error()
		return a
	}
	defer answer.Body.Close()
	a.id, a.provider, a.status = answer.Header.Get("X-Request-Id"), answer.Header.Get("X-Tallygate-Provider"), answer.StatusCode
	if a.status == http.StatusOK && stream {
		lines := bufio.NewScanner(answer.Body)
		for lines.Scan() {
			if line := lines.Text(); strings.HasPrefix(line, `data: {"id"`) {
				a.began = true
			} else if line != "" {
				a.text = line
			}
		}
		a.whole = a.text == "data: [DONE]" && lines.Err() == nil
		return a
	}
	text, err := io.ReadAll(answer.Body)
	a.text = string(text)
	a.whole = a.status == http.StatusOK && err == nil && json.Valid(text)
	return a
}
