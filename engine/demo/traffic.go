package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// pace is how long the demo waits between two requests on average: slow
// enough to read, fast enough to be alive.
const pace = 260 * time.Millisecond

// atOnce bounds the requests of the demo that are under way.
const atOnce = 16

var questions = [...]string{
	"Is there a room with a view of the sea this weekend?", "Do you have gluten-free bread on Sundays?", "Can I move my appointment to Thursday?",
	"Write three sentences about our new menu.", "Which class is best for a beginner?", "Summarise this for a customer, kindly.",
	"When do you open on public holidays?", "Translate the offer into Portuguese.", "How far is it from the airport?",
}

// Traffic sends requests to the public plane at a base URL, as the clients' apps and the
// site's visitors would, until ctx ends.
func (a *Agency) Traffic(ctx context.Context, url string) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	defer client.CloseIdleConnections()
	room := make(chan struct{}, atOnce)
	var calls sync.WaitGroup
	defer calls.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(time.Duration(rand.ExpFloat64()*float64(pace)), 3*time.Second)):
		}
		dice := rand.New(rand.NewPCG(rand.Uint64(), 1))
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		calls.Go(func() {
			defer func() { <-room }()
			if dice.IntN(5) == 0 { // the site is busier than it was
				a.sendVisit(ctx, client, url, a.visitor(dice))
				return
			}
			if r := a.incoming(dice, time.Now()); r.client >= 0 {
				a.send(ctx, client, url, &r)
			} else {
				a.sendVisit(ctx, client, url, r.visit)
			}
		})
	}
}

// send sends one request. What becomes of it is seen in the interface.
func (a *Agency) send(ctx context.Context, client *http.Client, url string, r *request) {
	question := questions[rand.IntN(len(questions))]
	path, body := "/chat/completions", map[string]any{"model": r.model.name}
	switch {
	case r.model.answer == 0:
		path, body["input"] = "/embeddings", question
	default:
		body["messages"] = []map[string]string{{"role": "system", "content": strings.Repeat("You answer for a small business. ", int(r.tokens.Prompt()/12))}, {"role": "user", "content": question}}
		body["stream"], body["max_tokens"] = r.stream, max(r.tokens.Output, 16)
	}
	if r.outcome.Refused() {
		body["model"] = "gpt-9"
	}
	raw, _ := json.Marshal(body) // texts and numbers cannot fail
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url+path, bytes.NewReader(raw))
	if err != nil {
		return
	}
	q.Header.Set("Authorization", "Bearer "+a.clients[r.client].live[r.key].secret)
	q.Header.Set("Content-Type", "application/json")
	if r.session > 0 {
		q.Header.Set("X-Session-Id", fmt.Sprint("visitor-", r.session))
	}
	answer, err := client.Do(q)
	if err != nil {
		return // the demo is about to end
	}
	defer answer.Body.Close()
	if r.outcome == tally.Canceled { // somebody closes the window
		io.CopyN(io.Discard, answer.Body, 300)
		return
	}
	io.Copy(io.Discard, answer.Body)
}
