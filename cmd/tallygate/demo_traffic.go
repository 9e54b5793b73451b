package main

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
)

// demoPace is how long the demo waits between two requests on average: slow
// enough to read, fast enough to be alive.
const demoPace = 260 * time.Millisecond

// demoAtOnce bounds the requests of the demo that are under way.
const demoAtOnce = 16

var demoQuestions = [...]string{
	"Is there a room with a view of the sea this weekend?", "Do you have gluten-free bread on Sundays?", "Can I move my appointment to Thursday?",
	"Write three sentences about our new menu.", "Which class is best for a beginner?", "Summarise this for a customer, kindly.",
	"When do you open on public holidays?", "Translate the offer into Portuguese.", "How far is it from the airport?",
}

// traffic is the live traffic of the demo.
type traffic struct {
	stop    context.CancelFunc // nil before it has begun
	running sync.WaitGroup
}

// beginTraffic sends requests as the clients' apps and the site's visitors would,
// until endTraffic or until nobody serves them any more.
func (d *demo) beginTraffic(s *service) {
	ctx, stop := context.WithCancel(context.Background())
	d.traffic.stop = stop
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: demoAtOnce}}
	url := baseURL(s.public.Addr())
	d.traffic.running.Go(func() {
		if err := d.visitors.open(ctx, s.caller); err != nil {
			d.log.Error("open the demo's site", "error", err)
		}
		defer client.CloseIdleConnections()
		room := make(chan struct{}, demoAtOnce)
		var calls sync.WaitGroup
		defer calls.Wait()
		for ctx.Err() == nil {
			wait := time.Duration(rand.ExpFloat64() * float64(demoPace))
			select {
			case <-ctx.Done():
				return
			case <-time.After(min(wait, 3*time.Second)):
			}
			visits := len(d.visitors.tokens) > 0 && rand.IntN(3) == 0
			r := d.request(rand.New(rand.NewPCG(rand.Uint64(), 1)), time.Now(), d.someClient())
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return
			}
			calls.Go(func() {
				defer func() { <-room }()
				if visits {
					d.visitors.visit(ctx, client, url)
					return
				}
				d.send(ctx, client, url, &r)
			})
		}
	})
}

// someClient chooses a client, those with more traffic more often.
func (d *demo) someClient() int {
	var all float64
	for i := range d.clients {
		all += d.clients[i].perDay
	}
	at := rand.Float64() * all
	for i := range d.clients {
		if at -= d.clients[i].perDay; at < 0 {
			return i
		}
	}
	return 0
}

// send sends one request. What becomes of it is seen in the interface.
func (d *demo) send(ctx context.Context, client *http.Client, url string, r *demoRequest) {
	question := demoQuestions[rand.IntN(len(demoQuestions))]
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
	q.Header.Set("Authorization", "Bearer "+d.made[r.client].secret[r.key])
	q.Header.Set("Content-Type", "application/json")
	if r.session > 0 {
		q.Header.Set("X-Session-Id", fmt.Sprint("visitor-", r.session))
	}
	answer, err := client.Do(q)
	if err != nil {
		return // the demo is about to end
	}
	defer answer.Body.Close()
	if r.stream && rand.IntN(40) == 0 { // somebody closes the window
		io.CopyN(io.Discard, answer.Body, 300)
		return
	}
	io.Copy(io.Discard, answer.Body)
}

func (d *demo) endTraffic() {
	if d.traffic.stop != nil {
		d.traffic.stop()
		d.traffic.running.Wait()
	}
}
