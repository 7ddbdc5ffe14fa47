use super::*;

fn list(names: &[&str]) -> NamesSpec {
    NamesSpec {
        list: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..NamesSpec::default()
    }
}

fn range(from: u32, to: u32, prefix: &str, width: u8) -> NamesSpec {
    NamesSpec {
        range: Some(Range { from, to, prefix: prefix.into(), width }),
        ..NamesSpec::default()
    }
}

#[test]
fn the_builtin_mountains_are_a_hundred_names_that_pass_the_rules_for_custom_lists() {
    let spec = NamesSpec { builtin: Some(Builtin::NorthAmericanMountains), ..NamesSpec::default() };
    let Ok(Names::List(mountains)) = Names::try_from(&spec) else { panic!("not a list") };
    assert_eq!(mountains.len(), 100);
    assert_eq!(check_list(&mountains), Ok(()));
    assert_eq!(&mountains[..3], ["Denali", "MtLogan", "PicodeOrizaba"]);
}

#[test]
fn a_name_with_a_character_that_paths_or_shells_interpret_is_refused_with_that_character() {
    for (name, found) in [("a.b", '.'), ("a/b", '/'), ("a'b", '\''), ("Pic Ø", ' ')] {
        assert_eq!(
            Names::try_from(&list(&[name])),
            Err(NamesError::Character { name: name.into(), found })
        );
    }
    assert_eq!(Names::try_from(&list(&[""])), Err(NamesError::Length(String::new())));
}

#[test]
fn empty_and_repeating_lists_are_refused() {
    assert_eq!(Names::try_from(&list(&[])), Err(NamesError::Empty));
    assert_eq!(
        Names::try_from(&list(&["tea", "coffee", "tea"])),
        Err(NamesError::Duplicate("tea".into()))
    );
}

#[test]
fn exactly_one_source_of_names_is_required() {
    assert_eq!(Names::try_from(&NamesSpec::default()), Err(NamesError::OneSource));
    let both = NamesSpec { builtin: Some(Builtin::NorthAmericanMountains), ..list(&["tea"]) };
    assert_eq!(Names::try_from(&both), Err(NamesError::OneSource));
}

#[test]
fn the_key_of_a_number_does_not_depend_on_prefix_and_width() {
    let plain = Names::try_from(&range(0, 1023, "", 0)).unwrap();
    let padded = Names::try_from(&range(0, 1023, "node-", 4)).unwrap();
    assert_eq!(plain.key(7), padded.key(7));
    assert_eq!(padded.shown(7).unwrap(), "node-0007");
    assert_eq!(padded.index_of("7"), Some(7));
    assert_eq!(padded.index_of("1024"), None);
    assert_eq!(plain.len(), 1024);
}

#[test]
fn a_range_that_is_backwards_or_too_large_is_refused() {
    assert_eq!(Names::try_from(&range(5, 4, "", 0)), Err(NamesError::Backwards { from: 5, to: 4 }));
    assert_eq!(
        Names::try_from(&range(0, u32::MAX, "", 0)),
        Err(NamesError::TooMany(4_294_967_296))
    );
}
