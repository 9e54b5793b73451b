package metrics

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"tallygate/engine/tally"
)

// money is a counter of money by labels. The sums are whole numbers, as the books are: only
// what is read is in dollars, with a fraction.
type money struct {
	desc *prometheus.Desc
	mu   sync.Mutex
	of   map[string]*amount // guarded by mu; by labels
}

// amount is one of its sums.
type amount struct {
	nano   atomic.Int64
	labels []string
}

func (a *amount) add(n tally.NanoUSD) { a.nano.Add(int64(n)) }

func newMoney(name, help string, labels ...string) *money {
	return &money{desc: prometheus.NewDesc(name, help, labels, nil), of: map[string]*amount{}}
}

// with finds the sum for labels.
func (m *money) with(labels ...string) *amount {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := strings.Join(labels, "\x00")
	if m.of[key] == nil {
		m.of[key] = &amount{labels: labels}
	}
	return m.of[key]
}

// Describe implements prometheus.Collector.
func (m *money) Describe(ch chan<- *prometheus.Desc) { ch <- m.desc }

// Collect implements prometheus.Collector.
func (m *money) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.of {
		dollars := float64(a.nano.Load()) / float64(tally.Dollar)
		ch <- prometheus.MustNewConstMetric(m.desc, prometheus.CounterValue, dollars, a.labels...)
	}
}
