use proptest::prelude::*;

use super::*;

const EPOCH: i64 = 1_577_836_800_000;
const FOREVER: UnixMillis = UnixMillis(i64::MAX);

fn layout(bits: &str) -> Layout {
    Layout::parse(bits, DEFAULT_EPOCH).unwrap()
}

fn at(millis: i64) -> UnixMillis {
    UnixMillis(EPOCH + millis)
}

fn minter() -> Minter {
    Minter::new(layout(DEFAULT_LAYOUT), 17, at(0))
}

/// Milliseconds since the epoch, node, sequence.
fn parts(id: u64) -> (u64, u64, u64) {
    (id >> 22, id >> 12 & 1023, id & 4095)
}

#[test]
fn an_id_consists_of_time_node_and_sequence_number() {
    let ids = minter().mint(at(5), at(0), FOREVER, 3).unwrap();
    let parts: Vec<_> = ids.into_iter().map(parts).collect();
    assert_eq!(parts, [(5, 17, 0), (5, 17, 1), (5, 17, 2)]);
}

#[test]
fn minting_goes_on_in_the_next_millisecond_when_sequence_numbers_are_used_up() {
    let mut minter = minter();
    minter.mint(at(5), at(0), FOREVER, 4095).unwrap();
    let ids = minter.mint(at(5), at(0), FOREVER, 2).unwrap();
    assert_eq!(ids.into_iter().map(parts).collect::<Vec<_>>(), [(5, 17, 4095), (6, 17, 0)]);
    assert_eq!(minter.ahead(at(5)), Duration::from_millis(1));
    // When the clock reaches that millisecond, its sequence numbers go on.
    assert_eq!(parts(minter.mint(at(6), at(0), FOREVER, 1).unwrap()[0]), (6, 17, 1));
}

#[test]
fn ids_neither_repeat_nor_stall_when_the_clock_is_set_back_by_an_hour() {
    let mut minter = minter();
    let hour = 3_600_000;
    let before = minter.mint(at(hour), at(0), at(hour + 60_000), 10).unwrap();
    let after = minter.mint(at(0), at(0), at(hour + 60_000), 10).unwrap();
    assert!(after[0] > before[9]);
    assert_eq!(parts(after[0]), (u64::try_from(hour).unwrap(), 17, 10));
}

#[test]
fn nothing_is_minted_outside_the_bounds_and_a_refusal_uses_up_no_sequence_number() {
    let mut minter = minter();
    assert_eq!(
        minter.mint(at(4), at(10), at(20), 1),
        Err(MintError::Wait(Duration::from_millis(6)))
    );
    assert_eq!(minter.mint(at(20), at(10), at(20), 4097), Err(MintError::UsedUp));
    assert_eq!(parts(minter.mint(at(20), at(10), at(20), 4096).unwrap()[0]), (20, 17, 0));
    assert_eq!(minter.mint(at(20), at(10), at(20), 1), Err(MintError::UsedUp));
    assert_eq!(minter.mint(at(21), at(10), at(20), 1), Err(MintError::UsedUp));
}

#[test]
fn a_minter_uses_no_timestamp_before_the_one_that_it_starts_from() {
    let mut minter = Minter::new(layout(DEFAULT_LAYOUT), 17, at(1000));
    assert_eq!(parts(minter.mint(at(5), at(0), FOREVER, 1).unwrap()[0]), (1000, 17, 0));
}

#[test]
fn a_clock_outside_the_time_of_the_layout_is_refused_with_a_message() {
    let mut early = Minter::new(layout(DEFAULT_LAYOUT), 17, UnixMillis(0));
    let refusal = early.mint(UnixMillis(5), UnixMillis(0), FOREVER, 1).unwrap_err().to_string();
    assert!(refusal.contains("reads 1970-01-01") && refusal.contains("--id-epoch"), "{refusal}");
    let mut late = Minter::new(layout("20/31/12"), 17, at(0));
    let last = at((1 << 20) - 1);
    assert!(late.mint(last, at(0), FOREVER, 4096).is_ok());
    assert_eq!(late.mint(last, at(0), FOREVER, 1), Err(MintError::OutOfBits(20)));
}

#[test]
fn the_largest_id_is_a_positive_signed_integer() {
    let mut minter = Minter::new(layout(DEFAULT_LAYOUT), 1023, at((1 << 41) - 1));
    let ids = minter.mint(at(0), at(0), FOREVER, 4096).unwrap();
    assert_eq!(ids[4095], u64::try_from(i64::MAX).unwrap());
}

#[test]
fn a_bad_layout_is_refused_with_a_message_that_says_what_to_write() {
    let say = |bits: &str| Layout::parse(bits, DEFAULT_EPOCH).unwrap_err().to_string();
    for bits in ["", "41", "41/10", "41/10/12/0", "41/10/x", "41/-10/12", "41/10/300"] {
        assert!(say(bits).contains("like 41/10/12"), "{bits}: {}", say(bits));
    }
    assert!(say("41/10/13").starts_with("'41/10/13' has 64 bits"));
    assert!(say("63/0/0").contains("at least 1"));
    let epoch = Layout::parse(DEFAULT_LAYOUT, "2020").unwrap_err().to_string();
    assert_eq!(epoch, "'2020' is not a time; write it like 2020-01-01T00:00:00Z");
    assert_eq!(layout("42/8/13").to_string(), "42/8/13");
}

#[test]
fn a_pool_whose_numbers_do_not_fit_is_refused_with_the_number_of_bits_that_it_needs() {
    assert_eq!(layout(DEFAULT_LAYOUT).check("shards", 1023), Ok(()));
    let refusal = layout(DEFAULT_LAYOUT).check("shards", 1024).unwrap_err().to_string();
    assert_eq!(
        refusal,
        "the layout 41/10/12 holds node IDs up to 1023, but pool 'shards' goes up to 1024; \
         give the node 11 bits"
    );
}

proptest! {
    /// For any readings of the clock and any layout: IDs strictly grow, and every timestamp lies within the bounds that
    /// were in force.
    #[test]
    fn ids_strictly_grow_within_their_bounds_for_any_clock(
        sequence in 1_u32..14,
        readings in proptest::collection::vec(
            (-5_000_i64..5_000, 0_i64..2_000, 0_i64..4_000, 1_u32..3_000), 1..60
        )
    ) {
        let node = 10;
        let layout = layout(&format!("{}/{node}/{sequence}", 63 - node - sequence));
        let mut minter = Minter::new(layout, 17, at(100));
        let mut last = None;
        let mut until = 0;
        for (now, not_before, extension, count) in readings {
            // What is reserved never shrinks.
            until = until.max(now) + extension;
            let Ok(ids) = minter.mint(at(now), at(not_before), at(until), count) else {
                continue;
            };
            prop_assert_eq!(ids.len(), usize::try_from(count).unwrap());
            for id in ids {
                prop_assert!(last.is_none_or(|last| id > last));
                last = Some(id);
                let millis = i64::try_from(id >> (node + sequence)).unwrap();
                prop_assert!(millis >= 100 && millis >= not_before && millis <= until);
                prop_assert_eq!(id >> sequence & 1023, 17);
            }
        }
    }
}
