package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// upstreamEnv has the name of the upstream that a process of this program is to be.
const upstreamEnv = "FIRE_UPSTREAM"

// What an upstream charges for each answer, whole or half.
const (
	inputTokens  = 40
	outputTokens = 20
)

// upstream answers as it is told to, and writes into its book what it charges.
type upstream struct {
	mode atomic.Pointer[string]
	book *os.File // one line a charge: the request's ID
}

// serveUpstream serves until it is killed.
func serveUpstream(name, address, book string) {
	file, err := os.OpenFile(book, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	u := &upstream{book: file}
	u.mode.Store(new("well"))
	http.HandleFunc("POST /mode/{mode}", func(_ http.ResponseWriter, r *http.Request) {
		u.mode.Store(new(r.PathValue("mode")))
	})
	http.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"object":"list","data":[{"id":"m","object":"model"}]}`)
	})
	http.HandleFunc("POST /v1/chat/completions", u.answer)
	fmt.Fprintln(os.Stderr, name, http.ListenAndServe(address, nil))
}

func (u *upstream) answer(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Stream bool }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	io.Copy(io.Discard, r.Body)
	mode := *u.mode.Load()
	refuse := func(status int, code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":{"message":"it is played","type":%q,"code":%q}}`, code, code)
	}
	switch {
	case mode == "500":
		refuse(500, "server_error")
		return
	case mode == "429":
		w.Header().Set("Retry-After", "1")
		refuse(429, "rate_limit_exceeded")
		return
	case mode == "401", mode == "key" && strings.HasSuffix(r.Header.Get("Authorization"), "1"):
		refuse(401, "invalid_api_key")
		return
	}
	// It is charged before anybody knows of it.
	if _, err := fmt.Fprintln(u.book, r.Header.Get("X-Request-Id")); err != nil {
		panic(err)
	}
	usage := fmt.Sprintf(`"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}`, inputTokens,
		outputTokens, inputTokens+outputTokens)
	var parts []string
	if asked.Stream {
		w.Header().Set("Content-Type", "text/event-stream")
		for range outputTokens / 4 {
			parts = append(parts, `data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"content":"word word word word "}}]}`+"\n\n")
		}
		parts = append(parts, `data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],`+usage+"}\n\n", "data: [DONE]\n\n")
	} else {
		text := `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("word ", outputTokens) + `"},"finish_reason":"stop"}],` + usage + "}"
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		parts = []string{text[:len(text)/2], text[len(text)/2:]}
	}
	for i, part := range parts {
		if mode == "half" && i == len(parts)/2 {
			panic(http.ErrAbortHandler)
		}
		if _, err := io.WriteString(w, part); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		time.Sleep(5 * time.Millisecond)
	}
}
