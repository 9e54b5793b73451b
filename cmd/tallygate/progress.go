package main

import (
	"fmt"
	"sync"
	"time"
)

// progressAfter is how long something may take before it is worth a word.
const progressAfter = time.Second

// progress tells on standard error what is being done if it takes over a
// second, and on a terminal for how long. The function it returns ends that.
func (a *app) progress(doing string) (done func()) {
	if doing == "" {
		return func() {}
	}
	stop := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		start := time.Now()
		timer := time.NewTicker(progressAfter)
		defer timer.Stop()
		for told := false; ; told = true {
			select {
			case <-stop:
				if told && a.err.is {
					fmt.Fprint(a.stderr, "\r\x1b[K")
				}
				return
			case <-timer.C:
			}
			switch {
			case a.err.is:
				fmt.Fprintf(a.stderr, "\r%s… %ds", doing, int(time.Since(start).Seconds()))
			case !told:
				fmt.Fprintf(a.stderr, "%s…\n", doing)
			}
		}
	})
	return func() {
		close(stop)
		telling.Wait()
	}
}
