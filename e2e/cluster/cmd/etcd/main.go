// Command etcd is the etcd server and its client in one small binary: it acts as the program it is
// called as. It is separate from the node so that tests of the store need not build Kubernetes.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/etcdctl/v3/ctlv3"
	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "etcdctl":
		ctlv3.MustStart()
	default:
		fmt.Fprintf(os.Stderr, "%q is not a program of this binary: call it as etcd or etcdctl\n", name)
		os.Exit(2)
	}
}
