//! Makes etcd hold what the `Pool` objects say.
