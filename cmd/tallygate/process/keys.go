package process

import (
	"io"
	"os"
	"path/filepath"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
)

// Keys says where the key of a store is kept that seals its secrets.
type Keys = auth.Keys

// KeyVariable is the environment variable that may have the key itself. It is read once,
// and taken out of the environment, so that no command of the owner's gets it.
const KeyVariable = "TALLYGATE_SECRETS_KEY"

// forKeys is what a process inherits beside sockets: what opens the key.
const forKeys = "keys"

// maxKeys bounds what is inherited, in bytes.
const maxKeys = 16 << 10

// FindKeys says where the key of a data folder is: in given, the text of the variable; in
// a file that is named; in a credential that a service manager has put there; or in the
// folder, which is where it is made. inherited is what a process before has left open.
func FindKeys(dir, given, file, inherited string, env func(string) (string, bool)) (Keys, error) {
	k := Keys{Path: filepath.Join(dir, keyFile)}
	credentials, _ := env("CREDENTIALS_DIRECTORY")
	credential := filepath.Join(credentials, keyFile)
	switch {
	case given != "":
		k.Given, k.By = given, "the environment variable "+KeyVariable
	case file != "":
		path, err := filepath.Abs(file)
		if err != nil {
			return k, tally.Errorf(tally.Invalid, "%w", err)
		}
		k.Path = path
	case credentials != "" && exists(credential):
		k.Path, k.Credential = credential, true
	}
	files, err := readInherited(inherited)
	if err != nil || files[forKeys] == 0 {
		return k, err
	}
	from := os.NewFile(uintptr(files[forKeys]), forKeys)
	defer from.Close()
	text, err := io.ReadAll(io.LimitReader(from, maxKeys))
	if err != nil {
		return k, tally.Errorf(tally.Internal, "read the key of the process before: %w", err)
	}
	return k, k.Take(string(text))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
