//! What the accounts of Cairn may do: `charts/check-server.sh` on the real API server.

use std::process::Command;

use cairn_e2e::ns::within;
use cairn_e2e::run::run;
use cairn_e2e::{Done, paths};

#[test]
fn the_accounts_of_cairn_may_do_what_they_need_and_nothing_else() -> Done {
    within("permissions", |ns| {
        let repository = paths::repository();
        let tool = repository.join("e2e/cluster/cluster");
        let kubectl = format!("{} kubectl {}", tool.display(), ns.cluster.name());
        let mut check = Command::new(repository.join("charts/check-server.sh"));
        let output = run(check.env("KUBECTL", kubectl), None)?;
        println!("{}", output.stdout);
        output.ok().map(drop)
    })
}
