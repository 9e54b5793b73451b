package control

// PaceDays is of how many days a pace is the mean at most.
const PaceDays = 7

// enoughDays is how many of them must have seen something.
const enoughDays = 3

// Pace is what a day to come may be like: the mean of the last week's days, of which only
// those are given that are over and belong to the period that is looked at, the latest
// last. Days before the first that has something do not count: the thing may not have been
// there. It is false where too few of them have anything. Every forecast goes by it, so
// that what a month will come to and when its limit is reached are one statement.
func Pace[N ~int64](days []N) (perDay float64, ok bool) {
	days = days[max(len(days)-PaceDays, 0):]
	for len(days) > 0 && days[0] == 0 {
		days = days[1:]
	}
	some := 0
	for _, n := range days {
		perDay += float64(n)
		if n > 0 {
			some++
		}
	}
	if some < enoughDays {
		return 0, false
	}
	return perDay / float64(len(days)), true
}
