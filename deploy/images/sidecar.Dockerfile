# The context is a folder that holds the static binary, which binary.sh in this folder builds. `make images` does both.
FROM scratch
LABEL org.opencontainers.image.title="cairn-sidecar" \
      org.opencontainers.image.description="Claims a pod's name and keeps it; runs as a native sidecar" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY cairn-sidecar /usr/bin/cairn-sidecar
ENV PATH=/usr/bin
# Numeric, so that the kubelet can see that it is not root.
USER 65532:65532
ENTRYPOINT ["/usr/bin/cairn-sidecar"]
