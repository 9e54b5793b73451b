package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"tallygate/providers"
)

// scripted is a connection on which an answer arrives in pieces.
type scripted struct {
	net.Conn // nil: nothing else is called
	r        io.Reader
}

func (s *scripted) Read(b []byte) (int, error)        { return s.r.Read(b) }
func (s *scripted) Write(b []byte) (int, error)       { return len(b), nil }
func (s *scripted) Close() error                      { return nil }
func (s *scripted) SetDeadline(time.Time) error       { return nil }
func (s *scripted) SetReadDeadline(t time.Time) error { return nil }

// inPieces reads b some bytes at a time.
type inPieces struct {
	b  []byte
	at *rand.Rand
}

func (p *inPieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b[:1+p.at.IntN(len(p.b))])
	p.b = p.b[n:]
	return n, nil
}

// got is what came of an answer.
type got struct {
	status int
	body   string
	rest   int  // bytes behind the end of the body
	reuse  bool // of the connection
	err    error
}

// ours reads an answer with the direct transport.
func ours(r io.Reader, left func() int) got {
	d := new(direct)
	c := newConn(&scripted{r: r})
	res, err := d.exchange(context.Background(), c, &Request{}, nil, nil)
	if err != nil {
		return got{err: err}
	}
	a := res.Body.(*answer)
	body, err := io.ReadAll(a)
	return got{status: res.Status, body: string(body), rest: len(c.unread) + left(), reuse: a.reuse, err: err}
}

// theirs reads it with net/http.
func theirs(b []byte) got {
	src := bytes.NewReader(b)
	in := bufio.NewReader(src)
	for {
		res, err := http.ReadResponse(in, &http.Request{Method: "POST"})
		if err != nil {
			return got{err: err}
		}
		if res.StatusCode < 200 && res.StatusCode != 101 {
			continue
		}
		if res.StatusCode == 101 {
			res.Body = http.NoBody
		}
		body, err := io.ReadAll(res.Body)
		return got{status: res.StatusCode, body: string(body), rest: in.Buffered() + src.Len(), reuse: !res.Close, err: err}
	}
}

const ok = "HTTP/1.1 200 OK\r\n"

func TestAnswer(t *testing.T) {
	for name, x := range map[string]struct {
		in   string
		want got // err is any
	}{
		"length":                 {ok + "Content-Length: 5\r\n\r\nhello", got{status: 200, body: "hello", reuse: true}},
		"bare line feeds":        {"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", got{status: 200, body: "hello", reuse: true}},
		"the same length twice":  {ok + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", got{status: 200, body: "hello", reuse: true}},
		"no body":                {ok + "Content-Length: 0\r\n\r\n", got{status: 200, reuse: true}},
		"chunks":                 {ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=\"y\"\r\nlo\r\n0\r\n\r\n", got{status: 200, body: "hello", reuse: true}},
		"chunks and trailers":    {ok + "transfer-encoding: Chunked\r\n\r\n05 \r\nhello\r\n000\r\nX-Sum: 7\r\nY:\r\n\r\n", got{status: 200, body: "hello", reuse: true}},
		"until the end":          {ok + "\r\nhello", got{status: 200, body: "hello"}},
		"no reason":              {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", got{status: 200, reuse: true}},
		"empty reason":           {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", got{status: 200, reuse: true}},
		"HTTP/1.0":               {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", got{status: 200, body: "hello"}},
		"close":                  {ok + "Content-Length: 5\r\nConnection: x, Close\r\n\r\nhello", got{status: 200, body: "hello"}},
		"interim":                {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", got{status: 200, body: "hello", reuse: true}},
		"no content":             {"HTTP/1.1 204 No Content\r\n\r\n", got{status: 204, reuse: true}},
		"no content of a length": {"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", got{status: 204, rest: 5}},
		"both":                   {ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", got{status: 200, body: "hello"}},
		"more than one":          {ok + "Content-Length: 5\r\n\r\nhelloHTTP/1.1", got{status: 200, body: "hello", rest: 8, reuse: true}},
		"switching":              {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\nx", got{status: 101, rest: 1}},
		"large chunk":            {ok + "Transfer-Encoding: chunked\r\n\r\n4e20\r\n" + strings.Repeat("x", 20_000) + "\r\n0\r\n\r\n", got{status: 200, body: strings.Repeat("x", 20_000), reuse: true}},
		"long head":              {ok + "X: " + strings.Repeat("y", 60_000) + "\r\nContent-Length: 5\r\n\r\nhello", got{status: 200, body: "hello", reuse: true}},

		"nothing":                 {"", got{err: errStatusLine}},
		"not HTTP":                {"220 mail.example.com ESMTP\r\n", got{err: errStatusLine}},
		"TLS":                     {"\x15\x03\x01\x00\x02\x02\x16", got{err: errStatusLine}},
		"HTTP/2":                  {"HTTP/2 200 OK\r\n\r\n", got{err: errStatusLine}},
		"HTTP/1.2":                {"HTTP/1.2 200 OK\r\n\r\n", got{err: errStatusLine}},
		"two digits":              {"HTTP/1.1 20 OK\r\n\r\n", got{err: errStatusLine}},
		"four digits":             {"HTTP/1.1 2000 OK\r\n\r\n", got{err: errStatusLine}},
		"below 100":               {"HTTP/1.1 099 OK\r\n\r\n", got{err: errStatusLine}},
		"two lengths":             {ok + "Content-Length: 5\r\nContent-Length: 4\r\n\r\nhello", got{err: errLength}},
		"list of lengths":         {ok + "Content-Length: 5, 5\r\n\r\nhello", got{err: errLength}},
		"signed length":           {ok + "Content-Length: +5\r\n\r\nhello", got{err: errLength}},
		"negative length":         {ok + "Content-Length: -5\r\n\r\nhello", got{err: errLength}},
		"hexadecimal length":      {ok + "Content-Length: 0x5\r\n\r\nhello", got{err: errLength}},
		"huge length":             {ok + "Content-Length: 9999999999999999999\r\n\r\nhello", got{err: errLength}},
		"empty length":            {ok + "Content-Length:\r\n\r\nhello", got{err: errLength}},
		"space before the colon":  {ok + "Content-Length : 5\r\n\r\nhello", got{err: errLine}},
		"folded line":             {ok + "X: y\r\n z\r\nContent-Length: 5\r\n\r\nhello", got{err: errLine}},
		"no colon":                {ok + "Content-Length 5\r\n\r\nhello", got{err: errLine}},
		"no name":                 {ok + ": 5\r\n\r\nhello", got{err: errLine}},
		"carriage return":         {ok + "X: y\rContent-Length: 5\r\n\r\nhello", got{err: errLine}},
		"zero byte":               {ok + "X: \x00\r\nContent-Length: 5\r\n\r\nhello", got{err: errLine}},
		"gzip, chunked":           {ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", got{err: errCoding}},
		"identity coding":         {ok + "Transfer-Encoding: identity\r\n\r\n", got{err: errCoding}},
		"chunked twice":           {ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", got{err: errCoding}},
		"chunks in HTTP/1.0":      {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", got{err: errCoding}},
		"too long a head":         {ok + "X: " + strings.Repeat("y", 70_000) + "\r\n\r\n", got{err: errLongHead}},
		"too many fields":         {ok + strings.Repeat("X: y\r\n", 20_000) + "\r\n", got{err: errLongHead}},
		"too many interim":        {strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20) + ok + "\r\n", got{err: errInterim}},
		"chunk size without":      {ok + "Transfer-Encoding: chunked\r\n\r\n\r\n", got{status: 200, err: errChunk}},
		"chunk size signed":       {ok + "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", got{status: 200, err: errChunk}},
		"chunk size with 0x":      {ok + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", got{status: 200, err: errChunk}},
		"chunk size too large":    {ok + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello", got{status: 200, err: errChunk}},
		"chunk with a bare feed":  {ok + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", got{status: 200, err: errChunk}},
		"chunk longer than said":  {ok + "Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n", got{status: 200, body: "hell", err: errChunk}},
		"chunk with a long line":  {ok + "Transfer-Encoding: chunked\r\n\r\n5;" + strings.Repeat("x", 5000) + "\r\nhello\r\n0\r\n\r\n", got{status: 200, err: errChunk}},
		"trailers without end":    {ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 5000), got{status: 200, err: errTrailers}},
		"trailers that are none":  {ok + "Transfer-Encoding: chunked\r\n\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n", got{status: 200, err: errChunk}},
		"what is behind a chunk":  {ok + "Transfer-Encoding: chunked\r\n\r\n2\r\n00\r\n0\r\n0\n0", got{status: 200, body: "00", err: errChunk}},
		"cut in the head":         {ok + "Content-Le", got{err: io.ErrUnexpectedEOF}},
		"cut in a body":           {ok + "Content-Length: 6\r\n\r\nhello", got{status: 200, body: "hello", err: io.ErrUnexpectedEOF}},
		"cut in a chunk":          {ok + "Transfer-Encoding: chunked\r\n\r\n6\r\nhello", got{status: 200, body: "hello", err: io.ErrUnexpectedEOF}},
		"cut before a last chunk": {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", got{status: 200, body: "hello", err: io.ErrUnexpectedEOF}},
		"cut before the trailers": {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", got{status: 200, body: "hello", err: io.ErrUnexpectedEOF}},
	} {
		if name == "nothing" {
			x.want.err = io.ErrUnexpectedEOF
		}
		for _, r := range []io.Reader{strings.NewReader(x.in), iotest.OneByteReader(strings.NewReader(x.in)), iotest.DataErrReader(strings.NewReader(x.in))} {
			rest := ""
			g := ours(r, func() int { b, _ := io.ReadAll(r); rest = string(b); return len(b) }) // of a reader in memory
			if !errors.Is(g.err, x.want.err) || g.err != nil && x.want.err == nil {
				t.Errorf("%s: %v, want %v", name, g.err, x.want.err)
				continue
			}
			if _, ok := errors.AsType[*providers.UpstreamError](g.err); g.err != nil && !ok {
				t.Errorf("%s: %T is not an *UpstreamError", name, g.err)
			}
			if g.err != nil {
				g.rest, g.reuse = 0, false
			}
			if g.err = x.want.err; g != x.want {
				t.Errorf("%s: got %.200v, want %.200v (%q is left)", name, g, x.want, rest)
			}
		}
	}
}

// FuzzAnswer: however an answer arrives, the same is read; and what is read to
// its end is what net/http reads, up to the same byte.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		ok + "Content-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nA: b\r\n\r\nrest",
		ok + "\r\nhello", "HTTP/1.0 200\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n" + ok + "Retry-After: 5\r\nContent-Type: a/b\r\nContent-Length: 0\r\n\r\n",
		ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 204 X\r\nKeep-Alive: timeout=5, max=7\r\n\r\n", ok + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
	} {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		src := bytes.NewReader(in)
		whole := ours(src, src.Len)
		cut := &inPieces{b: bytes.Clone(in), at: rand.New(rand.NewPCG(seed, 0))}
		pieces := ours(cut, func() int { return len(cut.b) })
		if (whole.err == nil) != (pieces.err == nil) || whole.status != pieces.status || whole.err == nil && whole != pieces {
			t.Fatalf("%q: in one piece %+v, in many %+v", in, whole, pieces)
		}
		if whole.err != nil {
			if _, ok := errors.AsType[*providers.UpstreamError](whole.err); !ok {
				t.Fatalf("%q: %T is not an *UpstreamError", in, whole.err)
			}
			return
		}
		want := theirs(in)
		if want.err != nil || whole.status != want.status || whole.body != want.body || whole.rest != want.rest {
			t.Fatalf("%q: we read %+v, net/http %+v", in, whole, want)
		}
		if whole.reuse && !want.reuse {
			t.Fatalf("%q: the connection would be used again", in)
		}
	})
}

// While the upstream says nothing an answer holds no memory for what it may say.
func TestWaitsWithoutABuffer(t *testing.T) {
	if !canReceive {
		t.Skip("reads need room here")
	}
	more := make(chan string)
	s := serve(t, nil, func(c net.Conn, in *bufio.Reader) {
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		for piece := range more {
			io.WriteString(c, piece)
		}
	})
	base, err := url.Parse("http://" + s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d := newDirect(Options{ConnectTimeout: time.Second}, base)
	defer d.Close()
	go func() { more <- ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" }()
	res, err := d.RoundTrip(context.Background(), &Request{Method: "GET", Path: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	a, b := res.Body.(*answer), make([]byte, 100)
	if n, err := a.Read(b); string(b[:n]) != "hello" || err != nil {
		t.Fatalf("%q, %v", b[:n], err)
	}
	a.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if a.Wait(); a.conn.buf != nil || a.conn.room != nil {
		t.Errorf("%d bytes are held for what has not come", len(a.conn.buf))
	}
	if _, err := a.Read(b); !isFault(err, providers.TimedOut) {
		t.Errorf("a wait in vain: %v", err)
	}
	close(more)
}
