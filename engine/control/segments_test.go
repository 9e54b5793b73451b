package control

import (
	"reflect"
	"testing"

	"tallygate/engine/tally"
)

// A value that is taken apart and put together again is the same, for each kind that is
// written of parts; each choice can be read.
func TestSegmentsAreTheValue(t *testing.T) {
	for _, x := range []struct {
		of     reflect.Type
		values []string
	}{
		{reflect.TypeFor[[]tally.LimitEdit](), []string{"cost=50/month", "requests=60/minute", "tokens=2000000/month:15,warn", "credits=none/day", "sessions=5/total"}},
		{reflect.TypeFor[[]PriceField](), []string{"input=0.15", "request=0.01"}},
		{reflect.TypeFor[map[string]string](), []string{"gpt-4=gpt-4o-mini"}},
	} {
		f := Field{Go: x.of, Name: "x"}
		for _, v := range x.values {
			parts := f.Cut(v)
			if len(parts) != len(f.Segments()) || f.Paste(parts) != v {
				t.Errorf("%q is taken apart to %q and put together to %q", v, parts, f.Paste(parts))
			}
			for i, p := range f.Segments() {
				for _, choice := range p.Choices {
					other := append([]string(nil), parts...)
					if other[i] = choice; f.Check(f.Paste(other)) != nil {
						t.Errorf("the choice %q of %s makes %q, which cannot be read: %v", choice, p.Name, f.Paste(other), f.Check(f.Paste(other)))
					}
				}
			}
		}
	}
}
