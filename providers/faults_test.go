package providers

import "testing"

// A status proves that nothing is charged, unless it tells of a time-out, or of a
// success whose answer we do not take.
func TestFree(t *testing.T) {
	for _, status := range []int{101, 204, 205, 301, 302, 307, 308, 400, 401, 402, 403, 404, 405, 413, 422, 429, 499, 500, 501, 502, 503, 505, 520, 529, 599} {
		if !FreeStatus(status) {
			t.Errorf("%d is not free", status)
		}
	}
	for _, status := range []int{201, 202, 203, 206, 226, 408, 504, 524} {
		if FreeStatus(status) {
			t.Errorf("%d is free", status)
		}
	}
}
