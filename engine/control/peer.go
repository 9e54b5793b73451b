package control

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"unicode"
)

// Who calls is told by the connection that a call came in on; what kind of program it
// is, by the program itself. Both only for the audit log: what a caller may do does
// not depend on them.

// programHeader is where a client says what kind of program it is.
const programHeader = "Tallygate-Program"

// peered is a connection that knows who is at the other end.
type peered interface{ Peer() string }

// knownConn is a connection of a known user.
type knownConn struct {
	net.Conn
	uid int
}

// Peer says who is at the other end.
func (c knownConn) Peer() string {
	if c.uid < 0 { // a system without such numbers
		return "this user"
	}
	return "uid " + strconv.Itoa(c.uid)
}

// acting is who calls an operation.
type acting struct{ peer, program, op, command string }

type actingKey struct{}

// Acting says whose call of an operation ctx belongs to, as the transport knows it,
// like "uid 1000, command line", and which operation that is, also as a command line.
// Of what the engine does by itself the actor is "engine".
func Acting(ctx context.Context) (actor, op, command string) {
	a, _ := ctx.Value(actingKey{}).(acting)
	switch {
	case a.peer == "" && a.program == "":
		actor = "engine"
	case a.program == "":
		actor = a.peer
	case a.peer == "":
		actor = a.program
	default:
		actor = a.peer + ", " + a.program
	}
	return actor, a.op, a.command
}

// withCommand remembers the command line of a call.
func withCommand(ctx context.Context, command string) context.Context {
	a, _ := ctx.Value(actingKey{}).(acting)
	a.command = command
	return context.WithValue(ctx, actingKey{}, a)
}

// withPeer remembers who is at the other end of a connection.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	a := acting{peer: c.RemoteAddr().String()}
	if p, ok := c.(peered); ok {
		a.peer = p.Peer()
	}
	return context.WithValue(ctx, actingKey{}, a)
}

// withOp is the context of a call of an operation.
func withOp(r *http.Request, op string) context.Context {
	a, _ := r.Context().Value(actingKey{}).(acting)
	a.program, a.op = programName(r.Header.Get(programHeader)), op
	return context.WithValue(r.Context(), actingKey{}, a)
}

// programName is what a program says it is, as far as people should read it.
func programName(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	const longest = 40
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "")
	}
	return strings.TrimSpace(s)
}
