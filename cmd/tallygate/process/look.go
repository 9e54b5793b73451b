package process

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"tallygate/engine/tally"
)

// manyFiles is how many files of a folder are looked at.
const manyFiles = 10_000

// Rights are the errors of a data folder that others may look into, each with what ends it.
// Files that only their own modes open are closed as long as the folder is: those count
// less, but for the one that opens secrets, which people copy.
func Rights(dir string) (grave []error, less error) {
	if err := checkFolder(dir, false); err != nil {
		grave = append(grave, err)
	}
	if !hasModes {
		return grave, nil
	}
	open, looked := 0, 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if looked++; err != nil || looked > manyFiles {
			return fs.SkipAll // what cannot be read is said elsewhere
		}
		info, err := e.Info()
		if err != nil || info.Mode()&fs.ModeSymlink != 0 || info.Mode().Perm()&0o077 == 0 || path == dir {
			return nil
		}
		if e.Name() == keyFile {
			err := tally.Errorf(tally.Denied, "others may read %s, which opens the keys of providers (mode %04o)",
				path, info.Mode().Perm())
			grave = append(grave, err.WithHint("chmod 600 %s", tally.ShellWord(path)))
			return nil
		}
		open++
		return nil
	})
	if open > 0 && err == nil {
		less = tally.Errorf(tally.Denied, "only the folder's own mode keeps others from %d files of %s", open, dir).
			WithHint("chmod -R go-rwx %s", tally.ShellWord(dir))
	}
	return grave, less
}

// FileLimit is how many files a process may have open, 0 if that is not known; 0 stands for
// this process.
func FileLimit(pid int) int {
	if pid == 0 || pid == os.Getpid() {
		limit, _ := files()
		return limit
	}
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "limits"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, is := strings.CutPrefix(line, "Max open files"); is {
			limit, _ := strconv.Atoi(strings.Fields(rest + " 0")[0]) // "unlimited" is none
			return limit
		}
	}
	return 0
}

// FewFiles is the limit of open files below which connections may run out.
const FewFiles = fewRoom
