# Debian's static busybox, laid out as the image of that name is: a shell for tests and examples.
# Like that image it names no user: pods under the restricted standard must name one.
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN ["/bin/busybox", "mkdir", "-m", "1777", "/tmp"]
ENV PATH=/bin
CMD ["sh"]
