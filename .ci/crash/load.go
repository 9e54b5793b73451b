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

// load is callers at work against one run of the program.
type load struct {
	loop   *loop
	url    string
	client *http.Client
	cancel context.CancelFunc
	all    sync.WaitGroup

	mu           sync.Mutex // guards what follows
	answered     []string   // IDs of requests whose answer began
	acknowledged []string   // IDs of those whose answer was seen to its end
}

func (l *loop) newLoad() *load {
	return &load{loop: l, url: "http://" + l.gate.Address + "/v1/chat/completions",
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: l.callers}}}
}

// begin sets the callers to work.
func (d *load) begin(ctx context.Context) {
	ctx, d.cancel = context.WithCancel(ctx)
	for range d.loop.callers {
		rnd := rand.New(rand.NewPCG(d.loop.rnd.Uint64(), 0))
		d.all.Go(func() {
			for ctx.Err() == nil {
				if !d.call(ctx, rnd) {
					select {
					case <-ctx.Done():
					case <-time.After(time.Duration(5+rnd.IntN(20)) * time.Millisecond):
					}
				}
			}
		})
	}
}

// end calls the callers off and waits for them. Answers that were complete by
// then count, whatever has become of the program.
func (d *load) end() {
	d.cancel()
	d.all.Wait()
	d.client.CloseIdleConnections()
}

// call makes one request; false if it was in vain.
func (d *load) call(ctx context.Context, rnd *rand.Rand) bool {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	stream := rnd.IntN(2) == 0
	body := map[string]any{
		"model": d.loop.model, "max_tokens": 1 + rnd.IntN(80), "user": fmt.Sprintf("user %d", rnd.IntN(30)),
		"messages": []map[string]string{{"role": "user", "content": strings.Repeat("word ", rnd.IntN(60))}},
	}
	if stream {
		body["stream"] = true
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, strings.NewReader(string(text)))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.loop.keys[rnd.IntN(len(d.loop.keys))])
	r.Header.Set("Content-Type", "application/json")
	answer, err := d.client.Do(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		if answer.StatusCode == http.StatusTooManyRequests {
			d.loop.limited.Add(1)
		}
		io.Copy(io.Discard, answer.Body)
		return false
	}
	id := answer.Header.Get("X-Request-Id")
	d.mu.Lock()
	d.answered = append(d.answered, id)
	d.mu.Unlock()
	leave := -1
	if rnd.IntN(12) == 0 {
		leave = rnd.IntN(8) // goes away in the middle
	}
	complete := false
	if stream {
		complete = readStream(answer.Body, leave)
	} else {
		complete = json.NewDecoder(answer.Body).Decode(&struct{}{}) == nil && rest(answer.Body)
	}
	if complete {
		d.mu.Lock()
		d.acknowledged = append(d.acknowledged, id)
		d.mu.Unlock()
	}
	return true
}

// readStream reads a stream and reports whether it came to its proper end. It
// leaves after so many events, unless leave is negative.
func readStream(body io.Reader, leave int) bool {
	done := false
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if lines.Text() == "" {
			if leave--; leave == -1 {
				return false
			}
			continue
		}
		done = lines.Text() == "data: [DONE]"
	}
	return done && lines.Err() == nil
}

// rest reads what is left; false if that does not end well.
func rest(body io.Reader) bool {
	_, err := io.Copy(io.Discard, body)
	return err == nil
}
