package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// inputTokens is what the upstream charges for a prompt. For the answer it charges as many
// tokens as it is allowed.
const inputTokens = 20

// What a token costs, in nano-USD.
const (
	inputPrice  = 1000
	outputPrice = 5000
)

// upstream answers what nodes pass on, and counts.
type upstream struct {
	address string
	server  *http.Server

	delay    atomic.Int64 // how long it thinks, in nanoseconds
	served   atomic.Int64 // requests that came
	output   atomic.Int64 // tokens of answers, of requests that came
	inFlight atomic.Int64
	most     atomic.Int64 // in flight at a time
}

func (u *upstream) open() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	u.address = ln.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"object":"list","data":[{"id":"m","object":"model"}]}`)
	})
	mux.HandleFunc("POST /v1/chat/completions", u.answer)
	u.server = &http.Server{Handler: mux}
	go u.server.Serve(ln)
	return nil
}

func (u *upstream) close() {
	if u.server != nil {
		u.server.Close()
	}
}

func (u *upstream) answer(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		MaxTokens int64 `json:"max_tokens"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u.served.Add(1)
	u.output.Add(asked.MaxTokens)
	now := u.inFlight.Add(1)
	for most := u.most.Load(); now > most && !u.most.CompareAndSwap(most, now); most = u.most.Load() {
	}
	select {
	case <-time.After(time.Duration(u.delay.Load())):
	case <-r.Context().Done(): // the node is gone
	}
	u.inFlight.Add(-1) // before the answer: the next one may come as soon as it has arrived
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":`+
		`{"role":"assistant","content":%q},"finish_reason":"stop"}],`+
		`"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}`,
		strings.Repeat("word ", int(min(asked.MaxTokens, 20))), inputTokens, asked.MaxTokens, inputTokens+asked.MaxTokens)
}
