package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// State is how the parts are at one instant.
type State struct {
	Started time.Time

	InFlight, LeftBehind, Waiting, Holds int   // requests
	Connections, Sessions                int   // of client apps; of the owner's interfaces
	Unknown                              int64 // requests with unknown credentials since the start

	Records              int64
	DiskBytes, FreeBytes int64
	Tables               int           // files of the store
	Unsynced             time.Duration // the age of the oldest act that is not on the disk
	Admitting            bool          // the disk has room, and keeps what it is given
	Lag                  time.Duration // of the clock

	Parts        []Part
	Providers    []Provider
	Certificates []Certificate

	Backup  time.Time // the latest; zero: none, or none is scheduled
	Checked time.Time // the latest check of a night
	Faults  int       // that it found
}

// Part is whether a part is well.
type Part struct {
	Name string
	OK   bool
}

// Provider is whether a provider that is on can be asked.
type Provider struct {
	Name  string
	Ready bool
}

// Certificate is until when a certificate is valid.
type Certificate struct {
	Name  string
	Until time.Time
}

// gauge is a figure of the state. It has no value where the state does not tell.
type gauge struct {
	desc  *prometheus.Desc
	value func(*State) (v float64, known bool)
}

func plain(name, help string, value func(*State) float64) gauge {
	return gauge{prometheus.NewDesc(name, help, nil, nil), func(s *State) (float64, bool) { return value(s), true }}
}

func moment(name, help string, value func(*State) time.Time) gauge {
	return gauge{prometheus.NewDesc(name, help, nil, nil), func(s *State) (float64, bool) {
		at := value(s)
		return float64(at.UnixMilli()) / 1000, !at.IsZero()
	}}
}

func yes(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

var gauges = []gauge{
	plain("tallygate_requests_in_flight", "Requests that are being answered.",
		func(s *State) float64 { return float64(s.InFlight) }),
	plain("tallygate_requests_left_behind", "Requests whose caller has left, and whose answer is read to its end.",
		func(s *State) float64 { return float64(s.LeftBehind) }),
	plain("tallygate_requests_waiting", "Requests that wait for money or places that others hold.",
		func(s *State) float64 { return float64(s.Waiting) }),
	plain("tallygate_holds", "Holds of requests that are not settled yet.",
		func(s *State) float64 { return float64(s.Holds) }),
	plain("tallygate_connections", "Connections of client apps.",
		func(s *State) float64 { return float64(s.Connections) }),
	plain("tallygate_control_sessions", "Interfaces and commands that follow events.",
		func(s *State) float64 { return float64(s.Sessions) }),
	plain("tallygate_store_records", "Records that the store keeps.",
		func(s *State) float64 { return float64(s.Records) }),
	plain("tallygate_store_bytes", "Disk that the store takes.", func(s *State) float64 { return float64(s.DiskBytes) }),
	plain("tallygate_store_tables", "Files that the store keeps its data in.",
		func(s *State) float64 { return float64(s.Tables) }),
	plain("tallygate_store_unsynced_seconds", "Age of the oldest act that is not on the disk yet.",
		func(s *State) float64 { return s.Unsynced.Seconds() }),
	plain("tallygate_store_admitting", "1 while the disk has room and keeps what it is given; at 0 requests are refused.",
		func(s *State) float64 { return yes(s.Admitting) }),
	plain("tallygate_disk_free_bytes", "Free space of the disk.", func(s *State) float64 { return float64(s.FreeBytes) }),
	plain("tallygate_clock_lag_seconds", "How far the machine's clock is behind the latest request.",
		func(s *State) float64 { return s.Lag.Seconds() }),
	plain("tallygate_check_faults", "Faults that the latest check of a night found in the store.",
		func(s *State) float64 { return float64(s.Faults) }),
	moment("tallygate_started_timestamp_seconds", "When the engine started.",
		func(s *State) time.Time { return s.Started }),
	moment("tallygate_last_check_timestamp_seconds", "When the latest check of a night was.",
		func(s *State) time.Time { return s.Checked }),
	moment("tallygate_last_backup_timestamp_seconds", "When the latest scheduled backup was made.",
		func(s *State) time.Time { return s.Backup }),
}

// What has a label, or counts.
var (
	unknownDesc = prometheus.NewDesc("tallygate_unknown_credentials_total",
		"Requests with a key or token that nobody has.", nil, nil)
	partDesc = prometheus.NewDesc("tallygate_part_ok",
		"1 while a part is well that serving needs.", []string{"part"}, nil)
	providerDesc = prometheus.NewDesc("tallygate_provider_ready",
		"1 while a provider can be asked, 0 while it, or a key or model of it, is left alone.", []string{"provider"}, nil)
	certificateDesc = prometheus.NewDesc("tallygate_certificate_expiry_timestamp_seconds",
		"Until when a certificate is valid.", []string{"name"}, nil)
)

// stateCollector asks for the state whenever figures are read.
type stateCollector struct{ *Metrics }

// Describe implements prometheus.Collector.
func (stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range gauges {
		ch <- g.desc
	}
	ch <- unknownDesc
	ch <- partDesc
	ch <- providerDesc
	ch <- certificateDesc
}

// Collect implements prometheus.Collector. While the state cannot be read, its figures are
// not there.
func (c stateCollector) Collect(ch chan<- prometheus.Metric) {
	read := c.read.Load()
	if read == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), readPatience)
	defer cancel()
	s, err := (*read)(ctx)
	if err != nil {
		return
	}
	put := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, g := range gauges {
		if v, known := g.value(&s); known {
			put(g.desc, v)
		}
	}
	ch <- prometheus.MustNewConstMetric(unknownDesc, prometheus.CounterValue, float64(s.Unknown))
	for _, p := range s.Parts {
		put(partDesc, yes(p.OK), p.Name)
	}
	for _, p := range s.Providers[:min(len(s.Providers), maxNamed)] {
		put(providerDesc, yes(p.Ready), p.Name)
	}
	for _, cert := range s.Certificates[:min(len(s.Certificates), maxNamed)] {
		put(certificateDesc, float64(cert.Until.Unix()), cert.Name)
	}
}
