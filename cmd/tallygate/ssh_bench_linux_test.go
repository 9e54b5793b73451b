package main

import (
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// watches opens the interface for a viewer, in a terminal that takes what it is sent.
func (p *place) watches() (leave func()) {
	p.Helper()
	c := p.dials("bob")
	s, err := c.NewSession()
	if err == nil {
		err = s.RequestPty("xterm-256color", 36, 120, ssh.TerminalModes{})
	}
	var out io.Reader
	if err == nil {
		s.Stdin, _ = io.Pipe() // nobody types
		out, err = s.StdoutPipe()
	}
	if err == nil {
		err = s.Shell()
	}
	if err != nil {
		p.Fatal(err)
	}
	go io.Copy(io.Discard, out) // ends with the connection
	return func() { c.Close() }
}

// cpu is the time that the server's process has used.
func (p *place) cpu() time.Duration {
	p.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(p.server.Process.Pid) + "/stat")
	if err != nil {
		p.Fatal(err)
	}
	fields := strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+1:])
	ticks := 0
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(f)
		if err != nil {
			p.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}

const benchGuests = 10

// What a viewer costs who only looks, while no requests come, as a share of a core:
//
//	go test -run '^$' -bench IdleGuests -benchtime 1x ./cmd/tallygate
func BenchmarkIdleGuests(b *testing.B) {
	p := startPlace(b)
	const span = 15 * time.Second
	during := func() float64 {
		time.Sleep(3 * time.Second) // what begins is over
		before := p.cpu()
		time.Sleep(span)
		return float64(p.cpu()-before) / float64(span) * 100
	}
	for b.Loop() {
		without := during()
		var leave []func()
		for range benchGuests {
			leave = append(leave, p.watches())
		}
		with := during()
		for _, f := range leave {
			f()
		}
		b.ReportMetric(without, "%core-alone")
		b.ReportMetric((with-without)/benchGuests, "%core/guest")
	}
}

// What ten guests who look on do to requests: the 99th percentile without and with them,
// and the processor's time of the gateway for a request.
//
//	go test -run '^$' -bench RequestsBesideGuests -benchtime 1x ./cmd/tallygate
func BenchmarkRequestsBesideGuests(b *testing.B) {
	p := startPlace(b)
	const rounds, workers, requests = 4, 8, 150
	measure := func() []time.Duration {
		var mu sync.Mutex
		var all []time.Duration
		var working sync.WaitGroup
		for range workers {
			working.Go(func() {
				for range requests {
					start := time.Now()
					if err := p.asks(); err != nil {
						b.Error(err)
						return
					}
					took := time.Since(start)
					mu.Lock()
					all = append(all, took)
					mu.Unlock()
					time.Sleep(2 * time.Millisecond) // a gateway at work, not one at its end
				}
			})
		}
		working.Wait()
		return all
	}
	p99 := func(all []time.Duration) float64 {
		if slices.Sort(all); len(all) == 0 {
			b.FailNow()
		}
		return float64(all[len(all)*99/100].Microseconds()) / 1000
	}
	for b.Loop() {
		measure() // warms up
		var without, with []time.Duration
		var usedAlone, usedBeside time.Duration
		for range rounds { // in turns: the machine is not the same all the time
			used := p.cpu()
			without = append(without, measure()...)
			usedAlone += p.cpu() - used
			var leave []func()
			for range benchGuests {
				leave = append(leave, p.watches())
			}
			time.Sleep(time.Second) // they are drawn
			used = p.cpu()
			with = append(with, measure()...)
			usedBeside += p.cpu() - used
			for _, f := range leave {
				f()
			}
			time.Sleep(500 * time.Millisecond)
		}
		alone, beside := p99(without), p99(with)
		b.ReportMetric(alone, "ms-p99-alone")
		b.ReportMetric(beside, "ms-p99-beside")
		b.ReportMetric((beside/alone-1)*100, "%more")
		b.ReportMetric(float64(usedAlone.Microseconds())/float64(len(without)), "cpu-µs/request-alone")
		b.ReportMetric(float64(usedBeside.Microseconds())/float64(len(with)), "cpu-µs/request-beside")
	}
}
