package tally

import "strings"

// A part of a subject is what one model, one session or one tag of it has used. It has
// counters of its own, for limits of a client or a key that are per model, per session or
// per tag. The label of a part is KEY=VALUE; the value is "" for requests that say none.

const partKind = "part"

// PartOf is the part of a subject that has a label.
func PartOf(of Subject, label string) Subject { return partKind + "/" + of + "/" + Subject(label) }

// Part tells whose part a subject is, and its label; ok is false if it is none.
func (s Subject) Part() (of Subject, label string, ok bool) {
	rest, ok := strings.CutPrefix(string(s), partKind+"/")
	kind, rest, ok1 := strings.Cut(rest, "/")
	id, label, ok2 := strings.Cut(rest, "/")
	if !ok || !ok1 || !ok2 {
		return "", "", false
	}
	return SubjectOf(kind, ID(id)), label, true
}

// PartFamily is the family that has a row for each part of a label's kind, "" if there is
// none: sessions are too many, and the tags of keys are not told apart.
func PartFamily(of Subject, label string) Family {
	kind, _ := of.Split()
	key, value, _ := strings.Cut(label, "=")
	switch {
	case value == "" || key == PartSession:
	case kind == "client" && key == PartModel:
		return ByClientModel
	case kind == "client":
		return ByClientTag
	case kind == "key" && key == PartModel:
		return ByKeyModel
	}
	return ""
}

// PartValue is what a family calls a part of a label.
func PartValue(label string) string {
	if model, is := strings.CutPrefix(label, PartModel+"="); is {
		return model
	}
	return label
}

// EachPart calls yield with the subjects and labels of the parts that the record names:
// those for which there are families.
func (r *Record) EachPart(yield func(of Subject, label string)) {
	for _, n := range r.named() {
		if n.id == "" || n.kind != "client" && n.kind != "key" {
			continue
		}
		of := SubjectOf(n.kind, n.id)
		if r.Model != "" {
			yield(of, PartModel+"="+r.Model)
		}
		for tags := r.Tags; tags != "" && n.kind == "client"; {
			var tag string
			if tag, tags = tags.Cut(); tag != otherSession {
				yield(of, tag)
			}
		}
	}
}

// NamesPart reports whether EachPart has a part.
func (r *Record) NamesPart(s Subject) bool {
	of, label, ok := s.Part()
	if !ok || PartFamily(of, label) == "" {
		return false
	}
	if kind, id := of.Split(); kind == "client" && id != r.Client || kind == "key" && id != r.Key || id == "" {
		return false
	}
	if model, is := strings.CutPrefix(label, PartModel+"="); is {
		return model == r.Model
	}
	return r.Tags.Has(label)
}
