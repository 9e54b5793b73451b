package providertest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// exchange is one request at an upstream and what a script writes in answer.
// Writes after a failed one do nothing.
type exchange struct {
	Request
	upstream *Upstream
	conn     net.Conn
	in       *bufio.Reader
	kept     bool   // the connection serves another request
	chunked  bool   // the head promised chunks
	usage    string // that was told, in a dialect whose last event repeats it
	err      error
}

// raw writes bytes as they are.
func (x *exchange) raw(s string) {
	if x.err == nil {
		_, x.err = io.WriteString(x.conn, x.speak(s))
	}
}

// json answers with a body of known length.
func (x *exchange) json(body string) { x.status(http.StatusOK, body) }

// status answers with a status and more lines of the head.
func (x *exchange) status(code int, body string, lines ...string) {
	body = x.speak(body)
	x.head(code, append([]string{"Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body))}, lines...)...)
	x.raw(body)
}

func (x *exchange) head(code int, lines ...string) {
	if !x.kept {
		lines = append(lines, "Connection: close")
	}
	x.raw(fmt.Sprintf("HTTP/1.1 %d %s\r\n%s\r\n\r\n", code, http.StatusText(code), strings.Join(lines, "\r\n")))
}

// stream begins an answer of events, in chunks.
func (x *exchange) stream(events ...string) {
	x.chunked = true
	x.head(http.StatusOK, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")
	for _, e := range events {
		x.event(e)
	}
}

// event writes a piece of a stream, as a chunk if the head promised those. An
// empty piece is left out: an empty chunk would be the last one.
func (x *exchange) event(text string) {
	if text = x.speak(text); text != "" {
		x.raw(x.chunk(text))
	}
}

func (x *exchange) chunk(text string) string {
	if !x.chunked {
		return text
	}
	return fmt.Sprintf("%x\r\n%s\r\n", len(text), text)
}

// repeat writes a piece of a body n times, or until the other side gives up if
// n is negative. It costs no memory: tests measure what the other side spends.
func (x *exchange) repeat(piece string, n int) {
	for b := []byte(x.chunk(x.speak(piece))); n != 0 && x.err == nil; n-- {
		_, x.err = x.conn.Write(b)
	}
}

// drip sends a byte now and then, for ever.
func (x *exchange) drip() {
	for x.err == nil {
		x.event(" ")
		time.Sleep(10 * time.Millisecond)
	}
}

// finish writes the end marker and the last chunk in one piece, so that a client that has
// read the marker has the chunk as well.
func (x *exchange) finish() { x.raw(x.chunk(x.speak(marking)) + "0\r\n\r\n") }

// end writes the last chunk.
func (x *exchange) end() { x.raw("0\r\n\r\n") }

// hang waits until the other side gives up.
func (x *exchange) hang() {
	for x.err == nil {
		_, x.err = x.in.ReadByte()
	}
}

// reset breaks the connection in the way of a crashed machine.
func (x *exchange) reset() {
	if tcp, ok := x.conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	x.err = x.conn.Close()
	if x.err == nil {
		x.err = net.ErrClosed
	}
}

// The events of a stream.
const (
	opening   = `data: {"id":"chatcmpl-s","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	finishing = `data: {"id":"chatcmpl-s","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	marking   = "data: [DONE]\n\n"
)

// saying is an event with a piece of text, which must need no escapes.
func saying(text string) string {
	return `data: {"id":"chatcmpl-s","object":"chat.completion.chunk","created":1,"model":"up","choices":[{"index":0,"delta":{"content":"` + text + `"},"finish_reason":null}]}` + "\n\n"
}

// reporting is the event with the usage object.
func reporting(usage string) string {
	return `data: {"id":"chatcmpl-s","object":"chat.completion.chunk","created":1,"model":"up","choices":[],"usage":` + usage + "}\n\n"
}

// message is a whole answer of a chat; usage "" leaves it out.
func message(text, usage string) string {
	if usage != "" {
		usage = `,"usage":` + usage
	}
	return `{"id":"chatcmpl-p","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"` + text + `","refusal":null},"logprobs":null,"finish_reason":"stop"}]` + usage + `}`
}

// goodUsage is a report of every class of token, as [goodTokens] counts them.
const goodUsage = `{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27,"prompt_tokens_details":{"cached_tokens":5},"completion_tokens_details":{"reasoning_tokens":3}}`
