package token

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// whole reads a whole number above 0.
func (r *claimReader) whole() (int64, error) {
	s, err := r.number()
	if err != nil {
		return 0, err
	}
	n, ok := atMost(s, false)
	if !ok {
		return 0, fmt.Errorf("is not a whole number above 0")
	}
	return n, nil
}

// atMost reads the amount of a limit: whole, or money, of which what is beyond a
// nano-dollar is dropped. It is never more than what is written.
func atMost(s string, money bool) (int64, bool) {
	units, fraction, dotted := strings.Cut(s, ".")
	if !isDigits(units) || dotted && !isDigits(fraction) { // an exponent, too
		return 0, false
	}
	if !money {
		n, err := strconv.ParseInt(units, 10, 64)
		if err != nil {
			n = tally.MaxCount // the text is digits, so it is only too long
		}
		return min(n, tally.MaxCount), n > 0 && strings.Trim(fraction, "0") == ""
	}
	if len(strings.TrimLeft(units, "0")) > 12 {
		return int64(tally.MaxMoney), true
	}
	if len(fraction) > 9 {
		s = s[:len(units)+1+9]
	}
	usd, err := tally.ParseUSD(s)
	if err != nil {
		usd = tally.MaxMoney // likewise
	}
	return int64(min(usd, tally.MaxMoney)), usd > 0
}

// milliseconds is where times are no seconds any more: in seconds it is the year
// 5138, in milliseconds 1973.
const milliseconds = 100_000_000_000

// time reads an instant of whole seconds; a part of one is dropped, or counts as
// a whole one.
func (r *claimReader) time(up bool) (time.Time, error) {
	s, err := r.number()
	if err != nil {
		return time.Time{}, err
	}
	units, fraction, dotted := strings.Cut(s, ".")
	n, err := strconv.ParseInt(units, 10, 64)
	if err != nil || n <= 0 || dotted && !isDigits(fraction) || n > milliseconds*1000 {
		return time.Time{}, fmt.Errorf("is no time in seconds")
	}
	part := strings.Trim(fraction, "0") != ""
	if n > milliseconds {
		part = part || n%1000 > 0
		n /= 1000
	}
	if up && part {
		n++
	}
	return time.Unix(n, 0).UTC(), nil
}
