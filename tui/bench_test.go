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
			p := tea.NewProgram(app, tea.WithInput(nil), tea.WithOutput(out), tea.WithWindowSize(120, 40), tea.WithColorProfile(colorprofile.TrueColor),
				tea.WithFPS(120), tea.WithoutSignals(), tea.WithEnvironment([]string{"TERM=xterm-256color"}))
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
				time.Sleep(25 * time.Millisecond) // two frames
				total += out.take()
				i++
			}
			b.ReportMetric(float64(total)/float64(i), "bytes/op")
			p.Quit()
			<-done
		})
	}
}
