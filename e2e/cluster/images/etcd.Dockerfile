# etcd and etcdctl where the official image has them. Like that image it names no user and starts
# etcd by CMD, so that a chart that works with one works with the other.
FROM scratch
COPY etcd-bin/ /usr/local/bin/
ENV PATH=/usr/local/bin
WORKDIR /var/lib/etcd
EXPOSE 2379 2380
CMD ["/usr/local/bin/etcd"]
