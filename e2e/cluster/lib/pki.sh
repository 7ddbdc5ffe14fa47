# Keys, certificates and kubeconfigs of one test cluster.
# shellcheck shell=bash

# No test cluster exists longer.
PKI_DAYS=365

pki_create() (
  cd "$(state_dir "$1")" || exit
  mkdir -p pki
  pki_key ca
  openssl req -x509 -new -key pki/ca.key -subj /CN=cluster-ca -days "$PKI_DAYS" -out pki/ca.crt
  openssl genrsa -out pki/sa.key 2048 2>/dev/null
  openssl rsa -in pki/sa.key -pubout -out pki/sa.pub 2>/dev/null
  local names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:localhost
  local node=IP:${NODE_IPS//,/,IP:}
  pki_sign apiserver /CN=kube-apiserver "$names,IP:127.0.0.1,$node,IP:$API_SERVICE_IP"
  pki_sign kubelet /O=system:nodes/CN=system:node:node "DNS:node,$node"
  pki_sign admin /O=system:masters/CN=admin
  pki_sign kube-controller-manager /CN=system:kube-controller-manager
  pki_sign kube-scheduler /CN=system:kube-scheduler
  pki_sign kube-proxy /CN=system:kube-proxy
  local user
  for user in admin kubelet kube-controller-manager kube-scheduler kube-proxy; do
    pki_kubeconfig "$user"
  done
)

pki_key() { openssl ecparam -name prime256v1 -genkey -noout -out "pki/$1.key"; }

# pki_sign USER SUBJECT [SUBJECT_ALT_NAMES]
pki_sign() {
  pki_key "$1"
  openssl req -new -key "pki/$1.key" -subj "$2" -out "pki/$1.csr"
  openssl x509 -req -in "pki/$1.csr" -CA pki/ca.crt -CAkey pki/ca.key -CAcreateserial \
    -days "$PKI_DAYS" -out "pki/$1.crt" \
    -extfile <(printf 'extendedKeyUsage=serverAuth,clientAuth\n%s' "${3:+subjectAltName=$3}") 2>/dev/null
}

# Embeds certificates and key, so that the file works at any path.
pki_kubeconfig() {
  local file=$1.conf
  (umask 077 && cat >"$file") <<EOT
apiVersion: v1
kind: Config
clusters:
- {name: cairn, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: $(base64 -w0 pki/ca.crt)}}
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w0 "pki/$1.crt")
    client-key-data: $(base64 -w0 "pki/$1.key")
contexts: [{name: cairn, context: {cluster: cairn, user: $1}}]
current-context: cairn
EOT
}
