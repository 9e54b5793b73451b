package sshd

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	gossh "golang.org/x/crypto/ssh"

	"tallygate/engine/tally"
)

// HostKeyFile is what the host key is called in the data folder. It is in no backup: a
// restored gateway is another machine until somebody copies it.
const HostKeyFile = "ssh_host_ed25519_key"

// hostKey reads the host key of a folder, or makes one.
func hostKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, HostKeyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = newHostKey(); err == nil {
			err = writeNew(path, text)
		}
		return text, hostKeyError(path, err)
	}
	if err != nil {
		return nil, hostKeyError(path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, hostKeyError(path, err)
	}
	word := tally.ShellWord(path)
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, tally.Errorf(tally.Denied, "others can read the host key %s (mode %04o)", path, mode).
			WithHint("if nobody has: chmod 600 %s; else remove it, and a new one is made", word)
	}
	if _, err := gossh.ParsePrivateKey(text); err != nil {
		return nil, tally.Errorf(tally.Corrupt, "the host key %s cannot be read", path).
			WithHint("put a copy back, or remove it: a new one is made, which ssh clients will warn of")
	}
	return text, nil
}

func hostKeyError(path string, err error) error {
	if err == nil {
		return nil
	}
	return tally.Errorf(tally.Internal, "the host key %s: %w", path, err).
		WithHint("the data folder must be yours, and writable")
}

func newHostKey() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := gossh.MarshalPrivateKey(key, "tallygate")
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}

// writeNew writes a file that only this user may read, whole or not at all.
func writeNew(path string, text []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), HostKeyFile+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // there is none once it has its name
	_, err = temp.Write(text)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
