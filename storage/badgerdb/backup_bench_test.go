package badgerdb

import (
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkBackupBesideRequests is what requests see of a backup: 300 requests a second beside
// a store of 90 days, of so many records that have tags and sessions. The figures are the 99th
// percentile of both writes of a request, alone and while the store is copied into a file,
// over and over. 1,500,000 records are 1 GB. Run it once, with nothing else running:
//
//	go test -run '^$' -bench BackupBesideRequests -benchtime 1x -timeout 40m ./storage/badgerdb -size 1500000
func BenchmarkBackupBesideRequests(b *testing.B) {
	all := cmp.Or(*size, 150_000)
	looked := time.Duration(all) * 80 * time.Microsecond // 2 minutes at 1,500,000
	for range b.N {
		dir := b.TempDir()
		s := openStore(b, filepath.Join(dir, "s"))
		l := newLoad(s, 50)
		l.tagged, l.step = true, 90*24*time.Hour/time.Duration(all)
		l.now = l.now.AddDate(0, 0, -90)
		l.run(b, 16, all)
		time.Sleep(looked / 2) // what the load has left is put in order
		alone := l.paced(b, looked/3, func(context.Context) {})
		copies, written, took := 0, int64(0), time.Duration(0)
		beside := l.paced(b, looked, func(ctx context.Context) {
			for began := time.Now(); ctx.Err() == nil; copies++ {
				f, err := os.Create(filepath.Join(dir, "copy"))
				if err == nil {
					_, err = s.Backup(ctx, nil, f)
				}
				if err == nil {
					written, err = f.Seek(0, io.SeekCurrent)
				}
				if ctx.Err() != nil {
					f.Close()
					return
				}
				if err != nil {
					b.Error(err)
				}
				f.Close()
				took = time.Since(began)
			}
		})
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(alone.Microseconds()), "alone-p99-µs")
		b.ReportMetric(float64(beside.Microseconds()), "beside-p99-µs")
		b.ReportMetric(float64(folderBytes(dir))/1e9, "store-GB")
		b.ReportMetric(float64(written)/1e9, "copy-GB")
		b.ReportMetric(took.Seconds()/float64(max(copies, 1)), "s/copy")
	}
}
