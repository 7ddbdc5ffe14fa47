# The app of tests that serve shards (e2e/app), with a shell beside it: tests read files with it.
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
COPY cairn-test-app /bin/cairn-test-app
ENV PATH=/bin
CMD ["/bin/cairn-test-app"]
