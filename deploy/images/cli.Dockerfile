# The context is a folder that holds the static binary, which binary.sh in this folder builds. `make images` does both.
FROM scratch
LABEL org.opencontainers.image.title="cairn" \
      org.opencontainers.image.description="The cairn command: shows claims and groups, checks clusters and manifests" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY cairn /usr/bin/cairn
ENV PATH=/usr/bin
# Numeric, so that the kubelet can see that it is not root.
USER 65532:65532
ENTRYPOINT ["/usr/bin/cairn"]
