//go:build unix

package pgtest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const childOf = "TALLYGATE_PGTEST_CHILD"

// A server and its folder do not outlive a process that is killed.
func TestKilled(t *testing.T) {
	if os.Getenv(childOf) != "" { // the process that is killed
		s := New(t)
		fmt.Printf("server %s %s\n", s.folder, s.URL())
		select {}
	}
	Start(t) // or there is none
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), childOf+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	var folder, url string
	for lines := bufio.NewScanner(out); folder == "" && lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "server" {
			folder, url = f[1], f[2]
		}
	}
	if err := ping(t, url); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		_, err := os.Stat(folder)
		if os.IsNotExist(err) {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("%s is still there: %v", folder, err)
		}
	}
	if ping(t, url) == nil {
		t.Error("the server still answers")
	}
}

func ping(t *testing.T, url string) error {
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return err
	}
	return conn.Close(t.Context())
}
