package providers

import "errors"

// bad makes a BadAnswer.
func bad(err error) error { return &UpstreamError{Fault: BadAnswer, Err: err} }

// cut classifies an error that ended an answer early.
func cut(err error) error {
	if up, ok := errors.AsType[*UpstreamError](err); ok {
		return up
	}
	return bad(err)
}

// free marks an error of a call that is proven to have cost nothing.
func free(err error, proven bool) error {
	up, ok := errors.AsType[*UpstreamError](err)
	if !ok || !proven || up.Free {
		return err
	}
	marked := *up
	marked.Free = true
	return &marked
}

// isPage reports whether text begins as a web page does.
func isPage(b []byte) bool {
	i := space(b, 0)
	return i < len(b) && b[i] == '<'
}
