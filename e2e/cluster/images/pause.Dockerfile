# The sandbox of every pod of a test cluster.
FROM scratch
COPY pause /pause
USER 65535:65535
ENTRYPOINT ["/pause"]
