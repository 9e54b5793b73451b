package transport

import (
	"bytes"
	"errors"
)

var (
	errChunk    = errors.New("a chunk of the answer is malformed")
	errTrailers = errors.New("the answer's trailers are too large")
)

// Bounds on what a chunked body holds besides its data.
const (
	maxChunkLine = 1 << 10
	maxTrailers  = 16 << 10
)

// chunks takes a chunked body apart. It holds no bytes itself: bytes that it has not used
// must be shown to it again.
type chunks struct {
	left     int64 // of the data of a chunk under way
	state    chunkState
	trailers int // bytes of them so far
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkData
	chunkEnd // CRLF behind the data
	chunkTrailers
	chunksDone
)

// next uses up some of b. It returns how many bytes were framing, and how many bytes of
// data follow the framing. No data and no end means that more bytes are needed. An error is
// final.
func (c *chunks) next(b []byte) (framing, data int, err error) {
	for c.state != chunksDone {
		rest := b[framing:]
		switch c.state {
		case chunkData:
			n := int(min(int64(len(rest)), c.left))
			return framing, n, nil
		case chunkEnd:
			if len(rest) > 0 && rest[0] != '\r' || len(rest) > 1 && rest[1] != '\n' {
				return 0, 0, errChunk
			}
			if len(rest) < 2 {
				return framing, 0, nil
			}
			framing, c.state = framing+2, chunkSize
		default:
			n := bytes.IndexByte(rest, '\n')
			if n < 0 {
				if len(rest) > maxChunkLine {
					return 0, 0, errChunk
				}
				return framing, 0, nil
			}
			if n == 0 || rest[n-1] != '\r' || n > maxChunkLine {
				return 0, 0, errChunk
			}
			if err := c.line(rest[:n-1]); err != nil {
				return 0, 0, err
			}
			framing += n + 1
		}
	}
	return framing, 0, nil
}

// take says that so many bytes of data were used.
func (c *chunks) take(n int) {
	if c.left -= int64(n); c.left == 0 {
		c.state = chunkEnd
	}
}

// line reads a chunk's size or a trailer. The content of trailers and of extensions is not
// of interest.
func (c *chunks) line(line []byte) error {
	if c.state == chunkTrailers {
		if c.trailers += len(line) + 2; c.trailers > maxTrailers {
			return errTrailers
		}
		if len(line) == 0 {
			c.state = chunksDone
			return nil
		}
		if n := bytes.IndexByte(line, ':'); n <= 0 || !token(line[:n]) || !fieldValue(line[n+1:]) {
			return errChunk
		}
		return nil
	}
	if !fieldValue(line) {
		return errChunk
	}
	size, _, _ := bytes.Cut(line, []byte{';'})
	size = bytes.TrimRight(size, " \t")
	if len(size) == 0 || len(size) > 15 {
		return errChunk
	}
	for _, d := range size {
		switch {
		case d-'0' <= 9:
			d -= '0'
		case d|0x20-'a' <= 5:
			d = d | 0x20 - 'a' + 10
		default:
			return errChunk
		}
		c.left = c.left<<4 | int64(d)
	}
	if c.state = chunkData; c.left == 0 {
		c.state = chunkTrailers
	}
	return nil
}
