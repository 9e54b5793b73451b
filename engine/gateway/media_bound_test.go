package gateway

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// Whatever a model costs and an honest upstream does, no limit on money is passed: what was
// held is no less than what is booked.
func TestMediaNeverCostsMoreThanWasHeld(t *testing.T) {
	names := []string{"voice.ogg", "vbr.mp3", "voice.m4a", "browser.webm", "voice.flac", "voice.wav"}
	all := 0
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			usd := func() *tally.NanoUSD { return new(tally.NanoUSD(rnd.Int64N(50e9))) }
			p := tally.Price{Request: tally.NanoUSD(rnd.Int64N(1000)), Pieces: map[tally.Piece]tally.NanoUSD{}}
			for _, piece := range []tally.Piece{"image", "image_low", "image_high", "image_1k", "image_high_1024x1024", "character", "second", "hour"} {
				if rnd.IntN(2) == 0 {
					p.Pieces[piece] = tally.NanoUSD(rnd.Int64N(1e8))
				}
			}
			if rnd.IntN(2) == 0 {
				p.Input, p.Output = usd(), usd()
				for _, class := range []tally.Class{tally.ClassAudioInput, tally.ClassImageOutput, tally.ClassAudioOutput} {
					if rnd.IntN(2) == 0 {
						*p.Rate(class) = usd()
					}
				}
			}
			w := newWorld(t)
			most := rnd.Int64N(2e9)
			w.client.Limits = limit(tally.Cost, most)
			var n, seconds, held int64
			period := tally.Window{Unit: tally.Total}.Period(w.clock(), time.UTC, 1)
			w.studio("m", p, func(out http.ResponseWriter, r *http.Request) {
				usage := ""
				if u, err := w.store.Usage(r.Context(), tally.Counter{Subject: tally.SubjectOf("client", "cl_1"), Metric: tally.Cost, Period: period}); err == nil {
					held = u[0].Held
				}
				tokens := func(in, out, sound int64) string {
					return fmt.Sprintf(`{"input_tokens":%d,"output_tokens":%d,"total_tokens":%d,"input_token_details":{"audio_tokens":%d}}`, in, out, in+out, sound)
				}
				told := rnd.IntN(3) > 0
				switch {
				case strings.HasSuffix(r.URL.Path, "generations"):
					if told {
						usage = `,"usage":` + tokens(30, n*rnd.Int64N(6241), 0)
					}
					out.Header().Set("Content-Type", "application/json")
					fmt.Fprintf(out, `{"data":[%s]%s}`, strings.Repeat(`{"url":"x"},`, int(n-1))+`{"url":"x"}`, usage)
				case strings.HasSuffix(r.URL.Path, "speech"):
					out.Header().Set("Content-Type", "audio/mpeg")
					io.WriteString(out, "sound")
				default:
					if told && rnd.IntN(2) == 0 {
						usage = `,"usage":` + tokens(seconds*10+5, seconds*20, seconds*10)
					} else if told {
						usage = fmt.Sprintf(`,"usage":{"type":"duration","seconds":%d}`, seconds)
					}
					out.Header().Set("Content-Type", "application/json")
					fmt.Fprintf(out, `{"text":"x"%s}`, usage)
				}
			})
			w.open()
			sum, sent := tally.NanoUSD(0), 0
			for range 6 {
				before := len(w.records())
				switch rnd.IntN(3) {
				case 0:
					n = 1 + rnd.Int64N(4)
					more := []string{"", `,"quality":"high"`, `,"quality":"low","size":"1024x1024"`, `,"quality":"high","size":"1024x1024"`, `,"size":"auto"`}[rnd.IntN(5)]
					if strings.Contains(more, "low") { // of which no picture takes more
						n = 1
					}
					if n > 1 || !strings.Contains(more, "low") {
						w.send("POST", "/v1/images/generations", fmt.Sprintf(`{"model":"m","prompt":"a cat","n":%d%s}`, n, more))
					}
				case 1:
					w.send("POST", "/v1/audio/speech", fmt.Sprintf(`{"model":"m","voice":"a","input":"%s"}`, strings.Repeat("ã", 1+rnd.IntN(300))))
				default:
					seconds = 4
					body, kind := formOf(t, voice(t, names[rnd.IntN(len(names))]), "model", "m")
					w.send("POST", "/v1/audio/transcriptions", body, "Content-Type: "+kind)
				}
				for _, r := range w.records()[before:] {
					if sum += r.Cost; r.Outcome.Refused() {
						continue
					}
					if sent++; int64(r.Cost) > held {
						t.Errorf("%s: held %d, booked %d, %+v of %d %s with %+v", r.Endpoint, held, r.Cost, r.Tokens, r.Pieces, r.Piece, p)
					}
				}
			}
			all += sent
			if int64(sum) > most {
				t.Errorf("limit %d, booked %d with %+v", most, sum, p)
			}
		})
	}
	if all < 60 {
		t.Errorf("only %d requests were sent", all)
	}
}
