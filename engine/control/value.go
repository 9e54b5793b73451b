package control

import (
	"cmp"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// Unit is what a [Value] is measured in, and so how it is written, compared and
// searched for.
type Unit string

// The units.
const (
	UnitWord    Unit = "word"    // text
	UnitCount   Unit = "count"   // a number of things
	UnitMoney   Unit = "money"   // nano-USD
	UnitRate    Unit = "rate"    // nano-USD per million tokens, written without a sign of currency
	UnitLatency Unit = "latency" // nanoseconds that a request took
	UnitShare   Unit = "share"   // of a limit, in millionths
	UnitMoment  Unit = "time"    // an instant
	UnitSize    Unit = "size"    // bytes
)

// Value is one cell of a table.
type Value struct {
	Unit Unit
	Text string    // of a Word
	N    int64     // of what is a number
	At   time.Time // of a Moment
	Void bool      // there is none: it is written as nothing
}

// WordOf, and so the functions below, make values. Those of numbers take whether
// zero is worth writing from the unit's printer.
func WordOf[S ~string](s S) Value        { return Value{Unit: UnitWord, Text: string(s), Void: s == ""} }
func CountOf[N ~int | ~int64](n N) Value { return Value{Unit: UnitCount, N: int64(n)} }
func MoneyOf(n tally.NanoUSD) Value      { return Value{Unit: UnitMoney, N: int64(n)} }
func RateOf(n tally.NanoUSD, known bool) Value {
	return Value{Unit: UnitRate, N: int64(n), Void: !known}
}
func MomentOf(t time.Time) Value { return Value{Unit: UnitMoment, At: t, Void: t.IsZero()} }
func SizeOf(bytes int64) Value   { return Value{Unit: UnitSize, N: bytes, Void: bytes <= 0} }

// LatencyOf makes a value of milliseconds; none is no value.
func LatencyOf(ms float64) Value {
	return Value{Unit: UnitLatency, N: int64(ms * float64(time.Millisecond)), Void: ms <= 0}
}

// ShareOf makes the share that used is of most; of no limit there is none.
func ShareOf(used, most int64) Value {
	v := Value{Unit: UnitShare, Void: most <= 0}
	if most > 0 {
		v.N = int64(float64(used) / float64(most) * 1e6)
	}
	return v
}

// valueOf is what a field of a view holds, by its type and, for a number, the ending
// of its name: "cost_nano_usd", "total_ms".
func valueOf(v reflect.Value, name string) Value {
	switch x := v.Interface().(type) {
	case time.Time:
		return MomentOf(x)
	case []string:
		return WordOf(strings.Join(x, " "))
	case bool:
		return WordOf(strconv.FormatBool(x))
	}
	money := strings.HasSuffix(name, "_nano_usd")
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			none := valueOf(reflect.Zero(v.Type().Elem()), name)
			none.Void = true
			return none
		}
		return valueOf(v.Elem(), name)
	case reflect.Float64:
		return LatencyOf(v.Float())
	case reflect.Int, reflect.Int64:
		if money {
			return MoneyOf(tally.NanoUSD(v.Int()))
		}
		return CountOf(v.Int())
	}
	return WordOf(v.String())
}

// orNone leaves out a number that is zero.
func orNone(v Value) Value {
	v.Void = v.Void || v.N == 0
	return v
}

// Number reports whether values of the unit are aligned to the right and sorted
// with the largest first.
func (u Unit) Number() bool { return u != UnitWord }

// Long writes the value for people who have room: "18,204", "$41.20",
// "2026-11-28 14:02" in a zone.
func (v Value) Long(zone *time.Location) string {
	if v.Void {
		return ""
	}
	switch v.Unit {
	case UnitCount:
		return tally.Group(v.N)
	case UnitMoney:
		return tally.NanoUSD(v.N).Display()
	case UnitRate:
		return atLeastCents(tally.NanoUSD(v.N).String())
	case UnitLatency:
		return latencyText(time.Duration(v.N), "")
	case UnitShare:
		return percentText(v.N)
	case UnitMoment:
		return v.At.In(zone).Format("2006-01-02 15:04")
	case UnitSize:
		return sizeText(v.N)
	}
	return v.Text
}

// Short writes the value in little room: "18.2k", "$41.20", "5m" for how long
// ago; "–" for none.
func (v Value) Short(now time.Time) string {
	switch {
	case v.Unit == UnitMoment && v.Void:
		return "never"
	case v.Void:
		return "–"
	}
	switch v.Unit {
	case UnitCount:
		return Compact(v.N)
	case UnitMoney:
		if v.N >= int64(100_000*tally.Dollar) {
			return "$" + Compact(v.N/int64(tally.Dollar))
		}
		return tally.NanoUSD(v.N).Display()
	case UnitRate:
		return strings.TrimPrefix(tally.NanoUSD(v.N).Display(), "$")
	case UnitLatency:
		return latencyText(time.Duration(v.N), " ")
	case UnitShare:
		return percentText(v.N)
	case UnitMoment:
		return age(now.Sub(v.At))
	case UnitSize:
		return sizeText(v.N)
	}
	return v.Text
}

// Raw writes the value for machines: exact, without grouping, times in RFC 3339
// and UTC, latencies in milliseconds; a word as a spreadsheet takes it for one.
func (v Value) Raw() string {
	switch {
	case v.Unit == UnitWord:
		return tally.Cell(v.Text)
	case v.Unit == UnitMoment && v.Void:
		return ""
	case v.Unit == UnitMoment:
		return v.At.UTC().Format(time.RFC3339Nano)
	case v.Unit == UnitLatency:
		return strconv.FormatFloat(float64(v.N)/float64(time.Millisecond), 'f', -1, 64)
	case v.Void && v.Unit != UnitCount:
		return ""
	case v.Unit == UnitRate:
		return tally.NanoUSD(v.N).String()
	case v.Unit == UnitShare:
		return strconv.FormatFloat(float64(v.N)/1e6, 'f', -1, 64)
	}
	return strconv.FormatInt(v.N, 10)
}

// Compare orders two values of one unit; none is less than any.
func (v Value) Compare(o Value) int {
	switch {
	case v.Void || o.Void:
		return cmp.Compare(toInt(!v.Void), toInt(!o.Void))
	case v.Unit == UnitWord:
		return cmp.Or(strings.Compare(strings.ToLower(v.Text), strings.ToLower(o.Text)), strings.Compare(v.Text, o.Text))
	case v.Unit == UnitMoment:
		return v.At.Compare(o.At)
	}
	return cmp.Compare(v.N, o.N)
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// parse reads a number of the unit as a filter names one: "10k", "$0.01", "1.5s",
// "80%".
func (u Unit) parse(s string) (Value, error) {
	v := Value{Unit: u}
	switch u {
	case UnitMoney, UnitRate:
		usd, err := tally.ParseUSD(s)
		v.N = int64(usd)
		return v, err
	case UnitLatency:
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return v, tally.Errorf(tally.Invalid, "%q is not a length of time", s).WithHint("like 800ms or 1.5s")
		}
		v.N = int64(d)
		return v, nil
	case UnitShare:
		var p Percent
		err := p.UnmarshalText([]byte(s))
		v.N = int64(p) * 100
		return v, err
	}
	n, err := tally.ParseCount(s)
	v.N = n
	return v, err
}

// Compact writes a count in at most five characters and a sign: "812", "18.2k",
// "3.41M".
func Compact(n int64) string {
	size := uint64(n)
	if n < 0 {
		return "-" + compact(-size)
	}
	return compact(size)
}

func compact(n uint64) string {
	if n < 1000 {
		return strconv.FormatUint(n, 10)
	}
	const units = "kMGTPE"
	v, unit := float64(n)/1000, 0
	for ; v >= 999.5; v /= 1000 {
		unit++
	}
	decimals := 2
	switch {
	case v >= 99.95:
		decimals = 0
	case v >= 9.995:
		decimals = 1
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if decimals > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text + units[unit:unit+1]
}

// age is how long ago something was, below a minute in steps of ten seconds: a column of
// ages does not change each second.
func age(d time.Duration) string {
	const step = 10 * time.Second
	switch {
	case d < step:
		return "<10s"
	case d < time.Minute:
		return Ago(d.Truncate(step))
	}
	return Ago(d)
}

// Ago writes a length of time with its largest unit: "2s", "5m", "3h", "41d".
func Ago(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

// latencyText writes how long a request took: "402 ms", "1.9 s".
func latencyText(d time.Duration, gap string) string {
	switch {
	case d >= 9950*time.Millisecond:
		return fmt.Sprintf("%.0f%ss", d.Seconds(), gap)
	case d >= 999500*time.Microsecond:
		return fmt.Sprintf("%.1f%ss", d.Seconds(), gap)
	case d < 9950*time.Microsecond:
		return fmt.Sprintf("%.1f%sms", float64(d.Microseconds())/1000, gap)
	}
	return fmt.Sprintf("%.0f%sms", float64(d.Microseconds())/1000, gap)
}

// percentText writes a share in millionths: never all of it while some is left,
// nor nothing once something is used.
func percentText(n int64) string {
	if n > 0 && n < 10_000 {
		return fmt.Sprintf("%.1f%%", max(float64(n)/10_000, 0.1))
	}
	return strconv.FormatInt(n/10_000, 10) + "%"
}

// sizeText writes a number of bytes.
func sizeText(n int64) string {
	const units = "kMGTP"
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, i := float64(n)/1000, 0
	for f >= 999.5 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	return fmt.Sprintf("%.3g %cB", f, units[i])
}

// atLeastCents writes an exact amount with two decimals or more.
func atLeastCents(s string) string {
	whole, frac, _ := strings.Cut(s, ".")
	if len(frac) < 2 {
		return whole + "." + (frac + "00")[:2]
	}
	return s
}
