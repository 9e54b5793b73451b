package control

// The operation on figures. Show writes them in the text format of Prometheus, as they are
// since the engine started.
var (
	MetricsShow = Stream[None]{"metrics.show", Read, "print figures of requests, providers and the store, for Prometheus"}
)
