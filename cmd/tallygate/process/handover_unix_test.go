//go:build unix

package process

import (
	"io"
	"net"
	"testing"
)

// What has come is read, and nothing is waited for.
func TestArrived(t *testing.T) {
	ear, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ear.Close()
	client, err := net.Dial("tcp", ear.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ear.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 10)
	if n := arrived(c, b); n != 0 {
		t.Errorf("of nothing %d bytes", n)
	}
	io.WriteString(client, "GET")
	if n := arrived(c, b); string(b[:n]) != "GET" {
		t.Errorf("%q", b[:n])
	}
	client.Close()
	if n := arrived(c, b); n != 0 {
		t.Errorf("of one that has ended %d bytes", n)
	}
}
