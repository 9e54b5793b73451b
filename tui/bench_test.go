package tui_test

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"tallygate/tui"
	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/tuitest"
)

// at is a clock that stands where it was put.
type at struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *at) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *at) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// still is an interface that has seen one snapshot, at 120x40.
func still(b *testing.B) (*tui.App, *at) {
	b.Helper()
	clock := &at{now: tuitest.Epoch}
	w := tuitest.Full(b, clock.time)
	w.More(300)
	env := &screen.Env{Theme: theme.New(theme.Dark), Caller: w, Source: live.New(w, clock.time), Clock: clock.time, Zone: time.UTC, Write: true}
	ctx, stop := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { env.Source.Run(ctx) })
	for s := env.Source.Snapshot(); !s.Loaded || len(s.Tail) == 0; s = env.Source.Snapshot() {
		time.Sleep(time.Millisecond)
	}
	stop()
	run.Wait()
	app := tui.New(tui.Options{Env: env, Screens: tui.Screens(env), Theme: theme.Dark})
	app.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
	return app, clock
}

func press(app *tui.App, key rune) { app.Update(tea.KeyPressMsg{Code: key, Text: string(key)}) }

// crowded is an interface that follows an engine of 18,000 requests and 500 more each
// second, at 120x40. What is returned ends it, and must be called.
func crowded(b *testing.B) (app *tui.App, end func()) {
	b.Helper()
	began := time.Now()
	clock := func() time.Time { return tuitest.Epoch.Add(time.Since(began)) }
	w := tuitest.Full(b, clock)
	w.Crowd(18_000)
	env := &screen.Env{Theme: theme.New(theme.Dark), Caller: w, Source: live.New(w, clock), Clock: clock, Zone: time.UTC, Write: true}
	ctx, stop := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { env.Source.Run(ctx) })
	run.Go(func() {
		for ctx.Err() == nil {
			w.Crowd(25)
			time.Sleep(50 * time.Millisecond)
		}
	})
	for s := env.Source.Snapshot(); !s.Loaded || len(s.Tail) < 1000; s = env.Source.Snapshot() {
		time.Sleep(time.Millisecond)
	}
	app = tui.New(tui.Options{Env: env, Screens: tui.Screens(env), Theme: theme.Dark})
	app.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
	return app, func() { stop(); run.Wait() }
}

// BenchmarkCrowd is a key press and the picture after it while much goes on, where the
// latest requests are shown first: the most that a key can wait for, beside the next frame
// of the terminal. The metric is the slowest of all.
//
//	go test -run '^$' -bench Crowd ./tui
func BenchmarkCrowd(b *testing.B) {
	for _, tc := range []struct {
		name, before string
		key          func(i int) tea.KeyPressMsg
	}{
		{"overview", "1", func(int) tea.KeyPressMsg { return tea.KeyPressMsg{Code: 'j', Text: "j"} }},
		{"requests", "7", func(int) tea.KeyPressMsg { return tea.KeyPressMsg{Code: 'j', Text: "j"} }},
		{"filter of requests", "7/model:", func(i int) tea.KeyPressMsg {
			if i%10 > 4 {
				return tea.KeyPressMsg{Code: tea.KeyBackspace}
			}
			return tea.KeyPressMsg{Code: rune("gpt-4"[i%10]), Text: "gpt-4"[i%10 : i%10+1]}
		}},
		{"screens", "", func(i int) tea.KeyPressMsg { c := rune('1' + i%9); return tea.KeyPressMsg{Code: c, Text: string(c)} }},
	} {
		b.Run(tc.name, func(b *testing.B) {
			app, end := crowded(b)
			defer end()
			for _, key := range tc.before {
				press(app, key)
			}
			var slowest time.Duration
			i := 0
			for b.Loop() {
				began := time.Now()
				app.Update(tea.FocusMsg{})
				app.Update(tc.key(i))
				_ = app.View()
				slowest = max(slowest, time.Since(began))
				i++
			}
			b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-ms")
		})
	}
}

// program runs an interface as the program does, in a terminal that only counts.
func program(app *tui.App, out *counted) *tea.Program {
	return tea.NewProgram(app, tea.WithInput(nil), tea.WithOutput(out), tea.WithWindowSize(120, 40), tea.WithColorProfile(colorprofile.TrueColor),
		tea.WithFPS(24), tea.WithoutSignals(), tea.WithEnvironment([]string{"TERM=xterm-256color"}))
}

// BenchmarkKey is a key press and the picture after it.
func BenchmarkKey(b *testing.B) {
	for i, name := range []string{"overview", "gateways", "clients", "keys", "providers", "models", "requests", "analytics", "settings"} {
		b.Run(name, func(b *testing.B) {
			app, _ := still(b)
			press(app, rune('1'+i))
			b.ReportAllocs()
			for b.Loop() {
				press(app, 'j')
				_ = app.View()
			}
		})
	}
	b.Run("dialog", func(b *testing.B) {
		app, _ := still(b)
		press(app, '?')
		b.ReportAllocs()
		for b.Loop() {
			app.Update(tea.KeyPressMsg{Code: tea.KeyDown})
			_ = app.View()
		}
	})
}

// counted is a terminal that counts what it is sent, and tells when it was sent
// something.
type counted struct {
	mu   sync.Mutex // guards sent
	sent bytes.Buffer
	told chan struct{}
}

func (c *counted) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.told <- struct{}{}:
	default:
	}
	return c.sent.Write(p)
}

func (c *counted) take() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.sent.Len()
	c.sent.Reset()
	return n
}

// BenchmarkRefresh tells the bytes that a terminal is sent when one number has
// changed, and when everything has. Its time is that of a frame.
func BenchmarkRefresh(b *testing.B) {
	for _, tc := range []struct {
		name   string
		change func(p *tea.Program, clock *at, i int)
	}{
		{"one number", func(p *tea.Program, clock *at, i int) {
			clock.move(time.Second)
			p.Send(tea.FocusMsg{})
		}},
		{"everything", func(p *tea.Program, _ *at, i int) {
			key := rune("37"[i%2])
			p.Send(tea.KeyPressMsg{Code: key, Text: string(key)})
		}},
	} {
		b.Run(tc.name, func(b *testing.B) {
			app, clock := still(b)
			out := &counted{told: make(chan struct{}, 1)}
			p := program(app, out)
			done := make(chan struct{})
			go func() {
				defer close(done)
				p.Run()
			}()
			<-out.told
			time.Sleep(200 * time.Millisecond)
			total := 0
			i := 0
			for b.Loop() {
				out.take()
				tc.change(p, clock, i)
				time.Sleep(90 * time.Millisecond) // two frames
				total += out.take()
				i++
			}
			b.ReportMetric(float64(total)/float64(i), "bytes/op")
			p.Quit()
			<-done
		})
	}
}
