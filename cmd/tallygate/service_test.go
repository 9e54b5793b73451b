package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"tallygate/assets"
	"tallygate/cmd/tallygate/process"
	"tallygate/engine/tally"
)

// service is what the command prints.
func service(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	home := map[string]string{"HOME": "/home/ada & co"}
	env := func(name string) (string, bool) { v, ok := home[name]; return v, ok }
	a := &app{env: env, stdout: &out, stderr: &out, stdin: strings.NewReader("")}
	err := a.execute(t.Context(), append([]string{"service"}, args...))
	return out.String(), err
}

// The unit is printed as it is packaged; the others name this program or the one that was
// said, in the way that their readers take it.
func TestService(t *testing.T) {
	if got, err := service(t, "systemd"); err != nil || got != assets.SystemdUnit {
		t.Errorf("%v: %s", err, got)
	}
	for _, tc := range []struct{ name, program, want string }{
		{"systemd", "/opt/tallygate/bin/tallygate", "\nExecStart=/opt/tallygate/bin/tallygate serve\n"},
		{"launchd", "/opt/a & b/tallygate", "<string>/opt/a &amp; b/tallygate</string>"},
		{"launchd", "/opt/tallygate", "<string>/home/ada &amp; co/Library/Logs/tallygate.log</string>"},
		{"windows", `D:\it's\tallygate.exe`, `$program = 'D:\it''s\tallygate.exe'`},
	} {
		got, err := service(t, tc.name, "--program", tc.program)
		if err != nil || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %v, without %s:\n%s", tc.name, err, tc.want, got)
		}
	}
	for _, args := range [][]string{
		{"upstart"}, {"systemd", "launchd"}, {"systemd", "--program", "/opt/my programs/tallygate"},
		{"systemd", "--program", "tallygate"}, {"launchd", "--program", "tallygate"}, {"windows", "--program", "a’b"},
	} {
		if _, err := service(t, args...); tally.CodeOf(err) != tally.Invalid || tally.AsError(err).Hint == "" {
			t.Errorf("%q: %v, want a next step", args, err)
		}
	}
}

// Each of the files names the program in the place that is replaced.
func TestServiceFilesNameTheProgram(t *testing.T) {
	for _, m := range managers {
		if !strings.Contains(m.file, m.program) {
			t.Errorf("%s does not name %s", m.name, m.program)
		}
	}
}

// No manager ends the process before requests under way have had their time.
func TestServicesWaitForRequests(t *testing.T) {
	openrc, err := os.ReadFile("../../assets/package/tallygate.openrc")
	if err != nil {
		t.Fatal(err)
	}
	for name, seconds := range map[string]string{
		"systemd": find(assets.SystemdUnit, `(?m)^TimeoutStopSec=(\d+)$`),
		"launchd": find(assets.LaunchdJob, `<key>ExitTimeOut</key>\s*<integer>(\d+)`),
		"openrc":  find(string(openrc), `(?m)^retry=TERM/(\d+)$`),
	} {
		n, _ := strconv.Atoi(seconds)
		if got := time.Duration(n) * time.Second; got < process.DrainPatience+30*time.Second {
			t.Errorf("%s waits %s; requests have %s, and the store wants some time too", name, got, process.DrainPatience)
		}
	}
}

func find(text, form string) string {
	m := regexp.MustCompile(form).FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return m[1]
}

// What launchd reads is XML.
func TestLaunchdJobParses(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(assets.LaunchdJob))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// systemd understands every line of the unit, and what it is told to keep away from the
// service is as much as it was.
func TestSystemdUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	unit := filepath.Join(t.TempDir(), "tallygate.service")
	text := strings.ReplaceAll(assets.SystemdUnit, "/usr/bin/tallygate", "/bin/true") // something that is there
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput()
	if err != nil || strings.Contains(string(out), unit) || strings.Contains(string(out), "tallygate.service") {
		t.Errorf("%v: %s", err, out)
	}
	out, err = exec.Command(analyze, "security", "--offline=true", "--no-pager", "--threshold=15", unit).CombinedOutput()
	if err != nil {
		t.Errorf("it is exposed more than 1.5 of 10: %v\n%s", err, out)
	}
}

// The container tells by the program itself whether it serves, and is nobody's root.
func TestContainerFile(t *testing.T) {
	text, err := os.ReadFile("../../assets/package/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\nFROM gcr.io/distroless/static:nonroot\n", "\nUSER 65532:65532\n",
		`CMD ["/usr/bin/tallygate", "status", "--check"]`,
		"\nENTRYPOINT [\"/usr/bin/tallygate\"]\n", "TALLYGATE_DATA=/home/nonroot",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("it lacks %q", want)
		}
	}
}

// What the sample of a config file and the service's environment say is known.
func TestSampleSettings(t *testing.T) {
	root := (&app{env: func(string) (string, bool) { return "", false }}).root()
	if got, err := readConfig("../../assets/package/tallygate.json", root); err != nil || len(got) < 3 {
		t.Errorf("%v, %v", got, err)
	}
	env, err := os.ReadFile("../../assets/package/tallygate.env")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"TALLYGATE_CONFIG": true}
	for _, s := range knownSettings(root) {
		known[variable(s)] = true
	}
	names := regexp.MustCompile(`(?m)^#?(TALLYGATE_\w+)=`).FindAllStringSubmatch(string(env), -1)
	for _, m := range names {
		if !known[m[1]] {
			t.Errorf("there is no setting %s", m[1])
		}
	}
	if len(names) < 3 {
		t.Errorf("only %d settings", len(names))
	}
}
