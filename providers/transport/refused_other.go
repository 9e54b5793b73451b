//go:build !linux

package transport

// refused reports whether the upstream's system has refused all of a request. That cannot
// be found out here.
func (c *conn) refused(int64) bool { return false }
