//go:build !linux && !darwin

package control

import "net"

// sameUser trusts the access rights of the folder that the socket is in.
func sameUser(*net.UnixConn) bool { return true }
