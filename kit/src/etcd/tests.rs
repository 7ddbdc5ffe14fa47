use super::*;

/// The flags of a program that is given these values.
fn args(values: &[(&str, &str)]) -> EtcdArgs {
    let value = |flag: &str| {
        let found = values.iter().find(|(name, _)| *name == flag);
        found.map(|(_, value)| (*value).to_owned())
    };
    EtcdArgs {
        etcd: value("etcd").or_else(|| Some("http://127.0.0.1:2379".to_owned())),
        etcd_cacert: value("cacert"),
        etcd_cert: value("cert"),
        etcd_key: value("key"),
        etcd_cluster_id: value("cluster-id"),
        etcd_prefix: value("prefix"),
    }
}

#[test]
fn members_are_kept_in_their_order_and_without_a_slash_at_the_end() {
    let endpoints = Endpoints::parse("--etcd", " https://b:2379/, https://[::1]:2380 ").unwrap();
    assert_eq!(endpoints.urls(), ["https://b:2379", "https://[::1]:2380"]);
    assert_eq!(endpoints.ports().iter().copied().collect::<Vec<_>>(), [2379, 2380]);
    assert!(endpoints.is_secure());
    let printed = endpoints.to_string();
    assert_eq!(printed, "https://b:2379,https://[::1]:2380");
    assert_eq!(Endpoints::parse("--etcd", &printed), Ok(endpoints));
}

#[test]
fn what_is_no_url_of_a_member_is_refused_with_the_flag_and_what_to_write() {
    for bad in [
        "here",
        "127.0.0.1:2379",
        "http://etcd",
        "http://etcd:0",
        "http://etcd:70000",
        "ftp://etcd:1",
        "http://a:1,",
        "http://a:1,,http://b:1",
        "http://a:1/x",
        "http://a:1?x",
        "http://me@a:1",
        "http://:1",
        "http://a b:1",
    ] {
        let message = Endpoints::parse("--sidecar-etcd", bad).unwrap_err().to_string();
        assert!(message.starts_with("--sidecar-etcd '"), "{bad}: {message}");
        assert!(message.contains("is not a URL with a port; write it like"), "{bad}: {message}");
    }
    let none = Endpoints::parse("--etcd", " ").unwrap_err().to_string();
    assert!(none.ends_with("like --etcd http://127.0.0.1:2379"), "{none}");
    let mixed = Endpoints::parse("--etcd", "http://a:1,https://b:1").unwrap_err().to_string();
    assert!(mixed.contains("mixes"), "{mixed}");
}

#[test]
fn every_flag_reaches_the_connection() {
    let target = args(&[
        ("etcd", "https://a:2379"),
        ("cacert", "ca"),
        ("cert", "crt"),
        ("key", "k"),
        ("cluster-id", "cdf8"),
        ("prefix", "/teams/shop/"),
    ])
    .target()
    .unwrap();
    let connection = target.connection();
    assert_eq!(connection.endpoints, ["https://a:2379"]);
    let files = TlsFiles { authority: "ca".into(), client: Some(("crt".into(), "k".into())) };
    assert_eq!(connection.tls, Some(Tls::Files(files)));
    assert_eq!(connection.cluster, ExpectedCluster::Required(ClusterId::new(0xcdf8)));
    assert_eq!(connection.prefix.as_str(), "/teams/shop/");
}

#[test]
fn an_empty_text_is_as_good_as_none() {
    let flags = ["cacert", "cert", "key", "cluster-id", "prefix"].map(|flag| (flag, " "));
    assert_eq!(args(&flags).target(), args(&[]).target());
}

#[test]
fn flags_that_do_not_fit_together_give_one_sentence_that_says_what_to_write() {
    let secure = ("etcd", "https://a:1");
    let table: &[(&[(&str, &str)], &str)] = &[
        (&[secure], "--etcd-cacert is missing; give the file"),
        (&[("cacert", "ca")], "--etcd-cacert is given but --etcd has http:// members"),
        (&[("cert", "c"), ("key", "k")], "--etcd-cert is given but --etcd has http:// members"),
        (&[secure, ("cert", "c")], "--etcd-cert is given without --etcd-key; give both or neither"),
        (&[secure, ("key", "k")], "--etcd-key is given without --etcd-cert; give both or neither"),
        (&[("cluster-id", "x")], "--etcd-cluster-id 'x' is not an etcd cluster id"),
        (&[("prefix", "x")], "--etcd-prefix 'x' is not a key prefix"),
    ];
    for (values, expected) in table {
        let message = args(values).target().unwrap_err().to_string();
        assert!(message.contains(expected), "{values:?}: {message}");
    }
}
