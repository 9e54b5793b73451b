package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/.ci/proc"
)

const callers = 64

// request is what a caller asks for.
type request struct {
	key     string
	output  int64  // tokens
	user    string // whose session it is
	visitor string // address
}

// reply is what becomes of a request. Its status is 0 if there is none.
type reply struct {
	status int
	text   string
}

var web = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * callers}, Timeout: 30 * time.Second}

// call makes one request.
func (n *node) call(ctx context.Context, q request) reply {
	body := map[string]any{"model": "m", "max_tokens": q.output,
		"messages": []map[string]string{{"role": "user", "content": "Hello"}}}
	if q.user != "" {
		body["user"] = q.user
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+n.Address+"/v1/chat/completions",
		strings.NewReader(string(text)))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", "Bearer "+q.key)
	r.Header.Set("Content-Type", "application/json")
	if q.visitor != "" {
		r.Header.Set("X-Forwarded-For", q.visitor)
	}
	answer, err := web.Do(r)
	if err != nil {
		return reply{0, err.Error()}
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		return reply{0, err.Error()}
	}
	return reply{answer.StatusCode, string(said)}
}

// models asks for the list of models, which costs nothing, and returns the status.
func (n *node) models(ctx context.Context, key string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Address+"/v1/models", nil)
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	answer, err := web.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, nil
}

// load is callers at work.
type load struct {
	c    *cluster
	make func(*rand.Rand) request
	rest time.Duration // of a caller after an answer
	join atomic.Bool   // the extra node is asked, too

	all    sync.WaitGroup
	cancel context.CancelFunc
	ok     atomic.Int64
	last   atomic.Int64    // when the latest answer began, in Unix nanoseconds
	mu     sync.Mutex      // guards what follows
	said   map[int]int     // how often each status came
	odd    string          // an answer that should not have come
	busy   string          // the latest answer with status 503
	took   []time.Duration // of steady requests, how long each took
}

// begin sets the callers to work.
func (l *load) begin(ctx context.Context) {
	ctx, l.cancel = context.WithCancel(ctx)
	l.said = map[int]int{}
	l.last.Store(time.Now().UnixNano())
	for range callers {
		rnd := rand.New(rand.NewPCG(l.c.rnd.Uint64(), 0))
		l.all.Go(func() {
			for ctx.Err() == nil {
				pause := l.rest
				if !l.call(ctx, rnd) {
					pause += time.Duration(5+rnd.IntN(40)) * time.Millisecond
				}
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		})
	}
}

// call makes one request of any node; false if it was in vain.
func (l *load) call(ctx context.Context, rnd *rand.Rand) bool {
	nodes := l.c.nodes
	n := nodes[rnd.IntN(len(nodes))]
	if l.join.Load() && rnd.IntN(4) == 0 {
		n = l.c.extra
	}
	// A request that has begun is waited for: who goes away in the middle has been served.
	r := n.call(context.WithoutCancel(ctx), l.make(rnd))
	switch r.status {
	case http.StatusOK:
		l.ok.Add(1)
		l.last.Store(time.Now().UnixNano())
	case 0, http.StatusTooManyRequests, http.StatusServiceUnavailable:
	default:
		l.mu.Lock()
		l.odd = fmt.Sprintf("%s answers %d: %s", n.Name, r.status, r.text)
		l.mu.Unlock()
	}
	l.mu.Lock()
	l.said[r.status]++
	if r.status == http.StatusServiceUnavailable {
		l.busy = fmt.Sprintf("%s: %s", n.Name, r.text)
	}
	l.mu.Unlock()
	return r.status == http.StatusOK
}

// reached waits until so many requests were answered, or the callers have come to an end.
func (l *load) reached(ctx context.Context, n int64) error {
	for l.ok.Load() < n && !l.dry(time.Second) {
		if err := proc.Sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// dry reports whether nothing was answered well for so long.
func (l *load) dry(d time.Duration) bool { return time.Since(time.Unix(0, l.last.Load())) > d }

// end waits until nothing more is to be had, calls the callers off and waits for them.
func (l *load) end(ctx context.Context) error {
	defer l.all.Wait()
	defer l.cancel()
	for until := time.Now().Add(5 * time.Minute); !l.dry(1500 * time.Millisecond); {
		if time.Now().After(until) {
			return fmt.Errorf("callers still get answers after 5 minutes: %v", l.said)
		}
		if err := proc.Sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
