package providers

import "testing"

// An error inside an answer is free unless it tells of a time-out, in whatever words:
// the model may have been at work.
func TestFreeInside(t *testing.T) {
	for body, free := range map[string]bool{
		`{"error":{"message":"x"}}`: true, `{"error":{"message":"x","code":503}}`: true, `{"error":{"message":"x","status":"INTERNAL","code":500}}`: true,
		`{"error":{"message":"x","code":504}}`: false, `{"error":{"message":"x","code":"504"}}`: false, `{"error":{"message":"x","code":408}}`: false,
		`{"error":{"message":"x","code":504,"status":"DEADLINE_EXCEEDED"}}`: false, `{"error":{"message":"x","type":"timeout_error"}}`: false,
		`{"error":"Request timed out."}`: false, `{"error":{"message":"upstream request timeout","code":500}}`: false,
	} {
		if err := reported(errInside, WordsOf([]byte(body)), true); err.Free != free || err.Fault == TimedOut {
			t.Errorf("%s: %s, free %v", body, err.Fault, err.Free)
		}
	}
}

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
