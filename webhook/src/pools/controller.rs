//! The pools controller: from `Pool` objects to the catalog of admission, to etcd, and to status.
