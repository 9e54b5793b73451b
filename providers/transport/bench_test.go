//go:build unix

package transport

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The benchmark compares CPU time per call, user and system, of the two
// transports. The upstream is a process of its own. Rounds alternate, since a
// machine's speed drifts: only the ratio within one run counts.
//
//	go test -run '^$' -bench RoundTrip -benchtime 7x ./providers/transport
//
// On two cores: 0.35 and 0.37 of net/http with 1 and 16 callers (17 µs against
// 47), 0.20 with prompts of 32 KB, as much for each event of a stream; over TLS
// 0.37, 0.40 and 0.28. Nine tenths of what is left is system calls.
func BenchmarkRoundTrip(b *testing.B) {
	for _, kind := range []string{"http", "https"} {
		o := upstream(b, kind)
		direct, err := New(o)
		if err != nil {
			b.Fatal(err)
		}
		defer direct.Close()
		standard, err := NewStandard(o)
		if err != nil {
			b.Fatal(err)
		}
		defer standard.Close()
		for _, sc := range []struct {
			name       string
			conns, n   int
			size       int // of a request
			path       string
			perRequest int // events
		}{
			{"400B-1", 1, 2000, 400, "/plain", 1},
			{"400B-16", 16, 4000, 400, "/plain", 1},
			{"32KB-16", 16, 4000, 32 << 10, "/plain", 1},
			{"200events-8", 8, 80, 400, "/stream", 200},
		} {
			b.Run(kind+"-"+sc.name, func(b *testing.B) {
				r := post(strings.Repeat("x", sc.size))
				r.Path = sc.path
				var ours, theirs time.Duration
				for b.Loop() {
					ours += cpuOf(b, direct, r, sc.conns, sc.n)
					theirs += cpuOf(b, standard, r, sc.conns, sc.n)
				}
				calls := float64(b.N * sc.n * sc.perRequest)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(ours.Nanoseconds())/calls/1000, "direct-µs")
				b.ReportMetric(float64(theirs.Nanoseconds())/calls/1000, "standard-µs")
				b.ReportMetric(float64(ours)/float64(theirs), "ratio")
			})
		}
	}
}

// BenchmarkAllocs is about what the collector has to do.
func BenchmarkAllocs(b *testing.B) {
	o := upstream(b, "http")
	for name, by := range map[string]func(Options) (Transport, error){"direct": New, "standard": NewStandard} {
		b.Run(name, func(b *testing.B) {
			tr, err := by(o)
			if err != nil {
				b.Fatal(err)
			}
			defer tr.Close()
			r, buf := post(strings.Repeat("x", 400)), make([]byte, 16<<10)
			r.Path = "/plain"
			b.ReportAllocs()
			for b.Loop() {
				call(b, tr, r, buf)
			}
		})
	}
}

// cpuOf spends n calls from some goroutines and returns this process's time.
func cpuOf(b *testing.B, tr Transport, r *Request, conns, n int) time.Duration {
	var all sync.WaitGroup
	before := cpu()
	for range conns {
		all.Go(func() {
			buf := make([]byte, 16<<10)
			for range n / conns {
				call(b, tr, r, buf)
			}
		})
	}
	all.Wait()
	return cpu() - before
}

func call(b *testing.B, tr Transport, r *Request, buf []byte) {
	res, err := tr.RoundTrip(b.Context(), r)
	if err != nil {
		b.Error(err)
		return
	}
	res.Body.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		if _, err := res.Body.Read(buf); err != nil {
			if err != io.EOF {
				b.Error(err)
			}
			break
		}
	}
	res.Body.Close()
}

func cpu() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// upstreamEnv makes a process started from the test binary an upstream.
const upstreamEnv = "TALLYGATE_BENCH_UPSTREAM"

func TestMain(m *testing.M) {
	if os.Getenv(upstreamEnv) != "" {
		runUpstream(os.Getenv(upstreamEnv))
		return
	}
	os.Exit(m.Run())
}

// upstream starts one and says how to reach it.
func upstream(b *testing.B, kind string) Options {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), upstreamEnv+"="+kind)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	var address string
	if _, err := fmt.Fscanln(out, &address); err != nil {
		b.Fatal(err)
	}
	return Options{BaseURL: kind + "://" + address, TLS: &tls.Config{InsecureSkipVerify: true}}
}

// runUpstream serves until its input ends. It looks at no more of a request
// than it must, so that the machine is left to what is measured.
func runUpstream(kind string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	if kind == "https" {
		config, _ := certified()
		l = tls.NewListener(l, config)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerAll(c, bufio.NewReader(c))
		}
	}()
	io.Copy(io.Discard, os.Stdin) // the end is all it has to say
}

// answerAll answers the requests on a connection.
func answerAll(c net.Conn, in *bufio.Reader) {
	plain := ok + "Content-Type: application/json\r\nContent-Length: 600\r\n\r\n" + strings.Repeat("x", 600)
	event := strings.Repeat("x", 200)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		stream, length := strings.Contains(string(line), "/stream"), 0
		for len(line) > 2 {
			if line, err = in.ReadSlice('\n'); err != nil {
				return
			}
			fmt.Sscanf(string(line), "Content-Length: %d", &length)
		}
		in.Discard(length)
		if !stream {
			io.WriteString(c, plain)
			continue
		}
		io.WriteString(c, ok+"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
		for range 200 {
			fmt.Fprintf(c, "%x\r\n%s\r\n", len(event), event)
			time.Sleep(20 * time.Microsecond)
		}
		io.WriteString(c, "0\r\n\r\n")
	}
}
