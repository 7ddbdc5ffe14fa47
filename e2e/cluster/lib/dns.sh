# Cluster DNS: CoreDNS as a process on the node, behind the usual Service.
# shellcheck shell=bash

dns_start() {
  cat >"$(state_dir "$1")/Corefile" <<EOT
.:53 {
    bind $NODE_IP
    errors
    ready 127.0.0.1:8181
    cache 5
    kubernetes cluster.local {
        kubeconfig $(node_dir "$1")/admin.conf
    }
}
EOT
  component_start "$1" coredns "$CONTROLPLANE_BIN/coredns" -conf Corefile
}

dns_expose() {
  kubectl_admin "$1" apply -f - >/dev/null <<EOT
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: "$DNS_SERVICE_IP"
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns-node, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: $(dns_address_type)
endpoints: [{addresses: ["$NODE_IP"]}]
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
EOT
}

dns_address_type() { if is_ipv6 "$NODE_IP"; then echo IPv6; else echo IPv4; fi; }

# Asks through the Service's address, so that it checks kube-proxy too.
dns_resolves() {
  in_netns "$1" timeout 2 busybox nslookup kubernetes.default.svc.cluster.local "$DNS_SERVICE_IP"
}
