package control

import (
	"context"
	"net/http"
)

// asideHeader is where a client says that it passes asides on, and a server what the aside is.
const asideHeader = "Tallygate-Aside"

type asideKey struct{}

// withAside lets the operation that a request calls say something beside its answer, if the
// caller passes such things on; said is what that was.
func withAside(ctx context.Context, r *http.Request) (_ context.Context, said *string) {
	said = new(string)
	if r.Header.Get(asideHeader) == "" {
		return ctx, said
	}
	return context.WithValue(ctx, asideKey{}, said), said
}

// Aside says a sentence beside the answer of an operation, like that it is of a part only. It
// reports whether people will read it: who calls and goes by answers alone must not be given
// one that is wrong without.
func Aside(ctx context.Context, sentence string) bool {
	said, _ := ctx.Value(asideKey{}).(*string)
	if said == nil {
		return false
	}
	*said = sentence
	return true
}
