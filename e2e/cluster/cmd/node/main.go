// Command node is a whole Kubernetes node, and the tools to look at it, in one binary: it acts as
// the program it is called as. One link instead of eight keeps a cold build within minutes.
//
// Not for production: it exists so that the end-to-end tests run against the real components.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	"github.com/spf13/cobra"
	helm "helm.sh/helm/v4/pkg/cmd"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// components are the programs that share Kubernetes' own command-line runner.
var components = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": kcm.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kube-proxy":              proxy.NewProxyCommand,
	"kubectl":                 func() *cobra.Command { return kubectl.NewDefaultKubectlCommand() },
}

// programs are the ones with a runner of their own; each returns the exit code.
var programs = map[string]func() int{
	"coredns": runCoreDNS,
	"helm":    runHelm,
}

func main() {
	name := filepath.Base(os.Args[0])
	if run, ok := programs[name]; ok {
		os.Exit(run())
	}
	if command, ok := components[name]; ok {
		os.Exit(cli.Run(command()))
	}
	fmt.Fprintf(os.Stderr, "%q is not a program of this binary: call it as one of %s\n", name, names())
	os.Exit(2)
}

func runCoreDNS() int {
	// CoreDNS runs plugins in this order, and knows only those that are imported above.
	dnsserver.Directives = []string{"bind", "errors", "health", "ready", "cache", "kubernetes"}
	coremain.Run()
	return 0
}

func runHelm() int {
	logging := func(bool) { slog.SetLogLoggerLevel(slog.LevelWarn) }
	command, err := helm.NewRootCmd(os.Stdout, os.Args[1:], logging)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := command.Execute(); err != nil {
		return 1
	}
	return 0
}

func names() string {
	var all []string
	for name := range components {
		all = append(all, name)
	}
	for name := range programs {
		all = append(all, name)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
