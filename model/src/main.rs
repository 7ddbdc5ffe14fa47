//! x
fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let large = a.iter().any(|x| x == "--large");
    let without = a.iter().find_map(|x| x.strip_prefix("--without="));
    let limit: usize =
        a.iter().find_map(|x| x.strip_prefix("--limit=")).map_or(3_000_000, |l| l.parse().unwrap());
    for rule in cairn_model::Rule::ALL {
        if a.iter().any(|x| *x == format!("{rule:?}") || x == "rules") {
            let (config, promise) = cairn_model::left_out(rule);
            let mut o = config.clone();
            o.without = Some(rule);
            let r = cairn_model::check(&o, Some(limit));
            let v = a.iter().any(|x| x == "-v");
            println!(
                "{rule:?}: {} {:?} {}",
                r.counterexamples.iter().any(|c| c.promise == promise),
                r.counterexamples.iter().map(|c| (c.promise, c.path.len())).collect::<Vec<_>>(),
                if v { format!("{r}") } else { format!("{} {}", r.states, r.steps) }
            );
            if a.iter().any(|x| x == "with") {
                println!("   with: {}", cairn_model::check(&config, Some(limit)));
            }
        }
    }
    for s in cairn_model::scenario::all() {
        if !a.iter().any(|x| x == s.name || x == "all") {
            continue;
        }
        let mut c = if large { s.large } else { s.small };
        for x in &a {
            if let Some((k, v)) = x.split_once('=') {
                if k.starts_with("--") {
                    continue;
                }
                let v: u8 = v.parse().unwrap();
                match k {
                    "crashes" => c.faults.crashes = v,
                    "restarts" => c.faults.restarts = v,
                    "stalls" => c.faults.stalls = v,
                    "timeouts" => c.faults.timeouts = v,
                    "releases" => c.faults.releases = v,
                    "forces" => c.faults.forces = v,
                    "edits" => c.faults.edits = v,
                    "wipes" => c.faults.wipes = v,
                    "deaf" => c.faults.deaf = v,
                    "holds" => c.faults.holds = v,
                    "duplicates" => c.faults.duplicates = v,
                    "twins" => c.faults.twins = v,
                    "reputs" => c.faults.reputs = v,
                    "sleeps" => c.faults.sleeps = v,
                    "slow" => c.faults.slow = v,
                    "near" => c.near = v,
                    "names" => c.pools[0][0].names = v,
                    "pods" => c.pods = vec![vec![0]; v as usize],
                    _ => panic!(),
                }
            }
        }
        if let Some(w) = without {
            c.without = cairn_model::Rule::ALL.iter().find(|r| format!("{r:?}") == *w).copied();
            assert!(c.without.is_some());
        }
        println!("{}: {}", s.name, cairn_model::check(&c, Some(limit)));
    }
}
