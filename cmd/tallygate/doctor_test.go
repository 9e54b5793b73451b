package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/cmd/tallygate/process"
)

// program runs the program itself, which lets others read nothing of what it makes.
func program(env map[string]string, args ...string) (stdout []byte, code int) {
	cmd := exec.Command("tallygate", args...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	stdout, _ = cmd.Output()
	return stdout, cmd.ProcessState.ExitCode()
}

// doctor examines a data folder, and returns what it finds and with which code it ends.
func doctor(t *testing.T, dir string, env map[string]string, args ...string) (found examined, code int) {
	t.Helper()
	out, code := program(env, append([]string{"doctor", "--json", "--data", dir}, args...)...)
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return found, code
}

// has reports whether something was found of a thing, in these words, and what to do.
func (e *examined) has(g gravity, thing, words string) bool {
	return slices.ContainsFunc(e.Findings, func(f finding) bool {
		return f.Gravity == g && f.Thing == thing && strings.Contains(f.Sentence, words) && (f.Next != "" || g == fine)
	})
}

// The doctor looks at a folder that nobody serves, whatever is wrong with it, and says what
// to do.
func TestDoctor(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	env := map[string]string{"TALLYGATE_LISTEN": "127.0.0.1:" + freePort()}
	if found, code := doctor(t, dir, env); code != exitFailed ||
		!found.has(fault, "folder", "no data of tallygate") {
		t.Errorf("no folder: code %d, %+v", code, found)
	}
	if out, code := program(env, "init", "--yes", "--json", "--data", dir); code != exitOK {
		t.Fatalf("%d: %s", code, out)
	}
	found, code := doctor(t, dir, env, "--verify")
	if code != exitOK || !found.has(note, "engine", "nothing serves") || !found.has(fine, "upstreams", "sim answers") ||
		!found.has(fine, "books", "are the sums") ||
		!found.has(fine, "address", "is free") || !found.has(note, "backups", "none are scheduled") {
		t.Errorf("a new folder: code %d, %+v", code, found)
	}

	ln, err := net.Listen("tcp", env["TALLYGATE_LISTEN"])
	if err != nil {
		t.Fatal(err)
	}
	if found, code := doctor(t, dir, env); code != exitFailed ||
		!found.has(fault, "address", "in use by another program") {
		t.Errorf("a busy port: code %d, %+v", code, found)
	}
	ln.Close()

	backups := t.TempDir()
	env["TALLYGATE_BACKUP_DIR"] = backups
	if found, code := doctor(t, dir, env); code != exitFailed ||
		!found.has(warning, "backups", "there is no backup") {
		t.Errorf("no backup: code %d, %+v", code, found)
	}
	left, long := filepath.Join(backups, "tallygate-1.partly"), time.Now().Add(-2*time.Hour)
	if err := os.WriteFile(left, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(left, long, long); err != nil {
		t.Fatal(err)
	}
	if found, _ := doctor(t, dir, env); !found.has(note, "backups", "1 file of backups") {
		t.Errorf("a backup that was not finished: %+v", found)
	}
	if out, code := program(env, "backup", "create", "--to", backups, "--data", dir); code != exitOK {
		t.Fatalf("%d: %s", code, out)
	}
	if found, code := doctor(t, dir, env); code != exitOK ||
		!found.has(fine, "backups", "the latest is of") || found.has(note, "backups", "") {
		t.Errorf("a backup: code %d, %+v", code, found)
	}
	if found, code := doctor(t, dir, map[string]string{"TALLYGATE_LISTEN": "nowhere"}); code != exitFailed ||
		!found.has(fault, "settings", "not an address") {
		t.Errorf("a wrong flag: code %d, %+v", code, found)
	}

	key := filepath.Join(dir, "secrets.key")
	if runtime.GOOS != "windows" {
		for _, open := range []struct {
			path  string
			mode  os.FileMode
			found gravity
			words string
		}{
			{key, 0o644, fault, "others may read"}, {dir, 0o755, fault, "others can read the data folder"},
			{filepath.Join(dir, process.StoreFolder), 0o755, warning, "only the folder's own mode"},
		} {
			is, err := os.Stat(open.path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(open.path, open.mode); err != nil {
				t.Fatal(err)
			}
			if found, code := doctor(t, dir, env); code != exitFailed ||
				!found.has(open.found, "folder", open.words) {
				t.Errorf("%s of mode %o: code %d, %+v", open.path, open.mode, code, found)
			}
			if err := os.Chmod(open.path, is.Mode().Perm()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Rename(key, key+".away"); err != nil {
		t.Fatal(err)
	}
	if found, code := doctor(t, dir, env); code != exitFailed ||
		!found.has(fault, "folder", "secrets.key is not there") {
		t.Errorf("no key file: code %d, %+v", code, found)
	}
	if err := os.Rename(key+".away", key); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, process.StoreFolder)
	if err := os.WriteFile(filepath.Join(store, "MANIFEST"), []byte("no manifest"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, code := doctor(t, dir, env); code != exitFailed ||
		!found.has(fault, "engine", "") {
		t.Errorf("a store that does not open: code %d, %+v", code, found)
	}
}
