package gateway

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func newTestCall() (*call, *calls) {
	s := &calls{}
	c := &call{calls: s, unhook: func() bool { return true }}
	s.add(c)
	return c, s
}

// A call ends what was made from it, once, and nothing that was taken back.
func TestCallIsAContext(t *testing.T) {
	for name, end := range map[string]func(*call, *calls){
		"its end":    func(c *call, _ *calls) { c.end() },
		"given up":   func(_ *call, s *calls) { s.giveUp() },
		"the caller": func(c *call, _ *calls) { c.closes = true; c.leave() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := newTestCall()
				child, cancel := context.WithCancel(c)
				defer cancel()
				limited, stopLimit := context.WithTimeout(c, time.Hour)
				defer stopLimit()
				var ran, other atomic.Int64
				stop := context.AfterFunc(c, func() { ran.Add(1) })
				c.AfterFunc(func() { ran.Add(1) })
				back := c.AfterFunc(func() { other.Add(1) })
				if !back() || back() {
					t.Error("what is taken back is taken back once")
				}
				if c.Err() != nil || child.Err() != nil {
					t.Fatal("it is over from the start")
				}
				early := c.Done()
				end(c, s)
				synctest.Wait()
				for _, x := range []context.Context{c, child, limited} {
					select {
					case <-x.Done():
					default:
						t.Errorf("%T is not done", x)
					}
					if !errors.Is(x.Err(), context.Canceled) {
						t.Errorf("%T: %v", x, x.Err())
					}
				}
				select {
				case <-early:
				default:
					t.Error("a channel from before stays open")
				}
				if ran.Load() != 2 || other.Load() != 0 || stop() || back() {
					t.Errorf("%d ran, %d though it was taken back", ran.Load(), other.Load())
				}
				late := false
				if c.AfterFunc(func() { late = true })() {
					t.Error("what has begun is stopped")
				}
				synctest.Wait()
				if !late {
					t.Error("what comes after the end does not run")
				}
				c.end()
				if s.left.Load() != 0 || len(s.open()) != 0 {
					t.Errorf("%d are left behind, %d open", s.left.Load(), len(s.open()))
				}
			})
		})
	}
}

// Every call under way is found, in whatever order others end.
func TestCallsUnderWay(t *testing.T) {
	for _, ends := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}} {
		s, all := &calls{}, [3]call{}
		for i := range all {
			s.add(&all[i])
		}
		for n, i := range ends {
			s.remove(&all[i])
			s.remove(&all[i]) // once is enough
			open := s.open()
			for _, j := range ends[n+1:] {
				if !slices.Contains(open, &all[j]) {
					t.Errorf("%v: call %d is lost when %d has ended", ends, j, i)
				}
			}
			if want := len(all) - n - 1; len(open) != want {
				t.Errorf("%v: %d calls are open, want %d", ends, len(open), want)
			}
		}
	}
}
