package tally

import "sort"

// Order sorts a list, and OrderStable leaves what is equal in its order. They do what
// slices.SortFunc does, which is compiled anew for each type, ten kilobytes each: what is on
// a request's path uses that.
func Order[T any](list []T, by func(a, b T) int) {
	sort.Slice(list, func(i, j int) bool { return by(list[i], list[j]) < 0 })
}

func OrderStable[T any](list []T, by func(a, b T) int) {
	sort.SliceStable(list, func(i, j int) bool { return by(list[i], list[j]) < 0 })
}
