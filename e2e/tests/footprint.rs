//! The size of the sidecar's image and its memory, measured on the node.

use cairn_e2e::Done;
use cairn_e2e::app::App;
use cairn_e2e::node::{Process, image_bytes};
use cairn_e2e::ns::within;

const MIB: u64 = 1024 * 1024;
/// Most of it are pages of the image, which all sidecars of a node share.
const RESIDENT: u64 = 6 * MIB + MIB / 2;

#[test]
fn the_sidecar_stays_small_and_takes_less_than_a_megabyte_for_itself() -> Done {
    within("weight", |ns| {
        let pod = App::claiming("light", "mountains,snowflake").deploy(ns)?.remove(0);
        let sidecar = Process::of_container(&ns.cluster, &pod.container("cairn")?.id)?;
        let weight = sidecar.weight()?;
        let image = image_bytes(&ns.cluster, "localhost/cairn-sidecar:dev")?;
        println!(
            "sidecar: image {:.2} MiB, resident {:.2} MiB (of which {:.2} MiB private), {} threads",
            mib(image),
            mib(weight.rss_kib * 1024),
            mib(weight.private_kib * 1024),
            weight.threads
        );
        assert!(image <= 6 * MIB, "the image has {image} bytes");
        assert!(weight.rss_kib * 1024 <= RESIDENT, "{weight:?}");
        assert!(weight.private_kib * 1024 <= MIB, "{weight:?}");
        assert!(weight.threads <= 2, "{weight:?}");
        Ok(())
    })
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}
