package process

import (
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
	"tallygate/storage"
	"tallygate/storage/badgerdb"
	"tallygate/storage/pgstore"
)

// Shared is a store that several nodes share. The zero Shared stands for the store of the
// data folder alone.
type Shared struct {
	// URL says where the nodes' database is, like postgres://tally@db/tally. It may have a
	// password.
	URL  string
	Node string // the name of this node, "" for the one it had
	// Machine is the name of a new node that was given none.
	Machine string
}

// open opens the store: that of the folder, or what this node has of the one that nodes
// share. A node's folder has no more than its part, so nothing else opens it.
func (o Options) open(ctx context.Context, hook storage.Hook) (storage.Store, error) {
	if o.Shared.URL != "" {
		return o.openNodes(ctx, hook)
	}
	of, err := pgstore.ReadIdentity(o.Dir)
	if err != nil {
		return nil, err
	}
	if of != nil {
		return nil, tally.Errorf(tally.InUse, "%s is the folder of node %s of %s, and nothing serves it", o.Dir,
			of.Name, ShownStore(of.Store)).
			WithHint("start it: tallygate serve --store %s; or ask another node, like tallygate --host HOST status",
				tally.ShellWord(ShownStore(of.Store)))
	}
	return badgerdb.Open(ctx, o.journal(hook))
}

// openNodes joins the nodes that share the store of o.Shared, as the node of the folder. A
// folder that has none yet becomes one. The hook is given what this node settles.
func (o Options) openNodes(ctx context.Context, hook storage.Hook) (storage.Store, error) {
	there, err := HasStore(o.Dir)
	if err != nil {
		return nil, err
	}
	of, err := pgstore.ReadIdentity(o.Dir)
	if err != nil {
		return nil, err
	}
	if there && of == nil {
		return nil, tally.Errorf(tally.Conflict, "%s has a store of its own, which the nodes would not see", o.Dir).
			WithHint("take it over: tallygate move --to URL; or start with an empty folder: --data DIR")
	}
	nodes, err := o.nodes(of, hook)
	if err != nil {
		return nil, err
	}
	return pgstore.Open(ctx, nodes)
}

// nodes is how to open what a node has. of is which node the folder is already; nil: none.
func (o Options) nodes(of *pgstore.Identity, hook storage.Hook) (pgstore.Options, error) {
	name := o.Shared.Node
	if name == "" && of == nil {
		name = o.Shared.Machine
	}
	print, err := auth.Print(o.keys())
	return pgstore.Options{URL: o.Shared.URL, Dir: o.Dir, Name: name, Print: print, ForgetKey: o.Forget,
		Journal: o.journal(hook)}, err
}

// journal is how to open the store that is in the folder.
func (o Options) journal(hook storage.Hook) badgerdb.Options {
	return badgerdb.Options{
		Dir: filepath.Join(o.Dir, StoreFolder), Profile: o.Profile, Durability: o.Durability, Logger: o.Log, Hook: hook,
		Version: o.Version, Reads: o.Reads,
	}
}

// keys is where the key of the store is kept.
func (o Options) keys() Keys {
	if o.Keys.Path == "" && o.Keys.Given == "" {
		return Keys{Path: filepath.Join(o.Dir, keyFile)}
	}
	return o.Keys
}

// breakable is a store whose disk may stop to keep what it is given.
type breakable interface {
	// Broken is closed when that has happened, and Fault says why; nil before.
	Broken() <-chan struct{}
	Fault() error
}

// broken is closed once the store keeps nothing any more; nil for one that cannot tell.
func broken(s storage.Store) <-chan struct{} {
	if b, is := s.(breakable); is {
		return b.Broken()
	}
	return nil
}

// faultOf is why the store keeps nothing any more, nil if it does.
func faultOf(s storage.Store) error {
	if b, is := s.(breakable); is {
		return b.Fault()
	}
	return nil
}

const storeLike = "like postgres://tally@db.example.com/tally"

// ReadStore reads where nodes have their database. The connection is encrypted unless it
// does not leave the machine, or the URL or PGSSLMODE says how it is to be. Errors repeat
// nothing of the text: it may have a password.
func ReadStore(text, node string, env func(string) (string, bool)) (Shared, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return Shared{}, tally.Errorf(tally.Invalid, "--store is no URL").
			WithHint("%s; in a password, %% stands for what is no letter or digit: %%40 is @", storeLike)
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		what := "has no kind of database before ://"
		if u.Scheme != "" {
			what = "names a database of the kind " + u.Scheme
		}
		return Shared{}, tally.Errorf(tally.Invalid, "--store %s, and nodes share one over PostgreSQL", what).
			WithHint("%s", storeLike)
	}
	q := u.Query()
	if strings.Trim(u.Path, "/") == "" && q.Get("dbname") == "" && q.Get("database") == "" {
		return Shared{}, tally.Errorf(tally.Invalid, "--store names no database").WithHint("%s", storeLike)
	}
	if mode, _ := env("PGSSLMODE"); mode == "" && q.Get("sslmode") == "" && !staysHere(u) {
		q.Set("sslmode", "require")
		u.RawQuery = q.Encode()
	}
	machine, err := os.Hostname()
	if machine, _, _ = strings.Cut(machine, "."); err != nil || !isNodeName(machine) {
		machine = "node"
	}
	if node != "" && !isNodeName(node) {
		return Shared{}, tally.Errorf(tally.Invalid, "%.70q is not the name of a node", node).
			WithHint("up to 60 letters, digits, dots, dashes and underscores, like --node fra-1")
	}
	return Shared{URL: u.String(), Node: node, Machine: machine}, nil
}

// Password reports whether the text of a URL has a password in it.
func Password(text string) bool {
	u, err := url.Parse(text)
	if err != nil { // it has one as likely as not
		return strings.Contains(text, "@") && strings.Contains(text, "://")
	}
	_, has := u.User.Password()
	return has || u.Query().Has("password")
}

// ShownStore is where a database is, for people: without who asks it, and how.
func ShownStore(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "a database"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// staysHere reports whether a connection stays on this machine.
func staysHere(u *url.URL) bool {
	hosts := u.Host
	if of := u.Query().Get("host"); of != "" {
		hosts = of
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if strings.HasPrefix(host, "/") || host == "" { // a socket
			continue
		}
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		ip := net.ParseIP(strings.Trim(host, "[]"))
		if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

func isNodeName(name string) bool {
	const may = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
	return name != "" && len(name) <= 60 && strings.Trim(name, may) == "" && strings.Trim(name, ".-_") != ""
}
