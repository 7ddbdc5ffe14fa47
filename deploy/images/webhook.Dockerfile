# The context is a folder that holds the static binary, which binary.sh in this folder builds. `make images` does both.
FROM scratch
LABEL org.opencontainers.image.title="cairn-webhook" \
      org.opencontainers.image.description="Cairn's control plane: admission, pools, claims mirror" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY cairn-webhook /usr/bin/cairn-webhook
ENV PATH=/usr/bin
# Numeric, so that the kubelet can see that it is not root.
USER 65532:65532
ENTRYPOINT ["/usr/bin/cairn-webhook"]
