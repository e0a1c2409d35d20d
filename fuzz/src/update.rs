//! An UPDATE is judged without a panic; what it announces, written anew, is read as the same, in four octets and in two.

use std::collections::BTreeSet;

use dualhome_core::prefix::Prefix;
use dualhome_core::wire::update::Families;
use dualhome_core::wire::{EncodeOptions, HEADER_LENGTH, ParseOptions, Update, Updates, encode_update_runs, encode_withdrawals};

use crate::{message, strict};

/// First octet: what was agreed on; the others are the body.
pub fn run(data: &[u8]) {
    let Some((how, body)) = data.split_first() else { return };
    let options = ParseOptions {
        four_octet: how & 1 == 0,
        ebgp: how & 2 == 0,
        families: Families {
            ipv4: how & 4 == 0,
            ipv6: how & 8 == 0,
        },
        rejects_sets: how & 16 != 0,
    };
    let mut rest = match Update::parse(body, options) {
        Ok(update) => Some(update),
        Err(error) => return assert!(error.code == 3 && !error.reason.is_empty(), "{error}"),
    };
    if body.len() >= 4 && body.len() <= 65_535 - HEADER_LENGTH {
        let mut of_run = Updates::new(&message(2, body), options)
            .map(|update| update.expect("as parse says"))
            .collect::<Vec<_>>();
        let mut one = rest.clone().unwrap_or_default();
        let more = one.more.take();
        assert_eq!(of_run.remove(0), one);
        assert_eq!(of_run.pop(), more.map(|more| *more));
    }
    while let Some(mut update) = rest {
        rest = update.more.take().map(|more| *more);
        check(&update, options);
    }
}

fn check(update: &Update, options: ParseOptions) {
    let agreed = |version: u8| {
        if version == 4 {
            options.families.ipv4
        } else {
            options.families.ipv6
        }
    };
    assert!(
        update
            .withdrawn
            .iter()
            .chain(&update.announced)
            .all(|prefix| agreed(prefix.version))
    );
    assert_eq!(update.announced.is_empty(), update.attributes.is_none());
    assert!(update.end_of_rib.is_none() || (update.announced.is_empty() && update.withdrawn.is_empty()));
    let Some(attributes) = &update.attributes else { return };
    if update.treat_as_withdraw.is_some() {
        return;
    }
    for four_octet in [true, false] {
        let how = EncodeOptions {
            four_octet,
            max_message: 65_535,
            ebgp: options.ebgp,
        };
        let Ok(octets) = encode_update_runs(attributes, &update.announced, &how) else {
            continue;
        };
        let mut announced = Vec::new();
        for again in Updates::new(
            &octets,
            ParseOptions {
                four_octet,
                families: ParseOptions::ALL.families,
                ..options
            },
        ) {
            let again = again.expect("what is written is read");
            assert!(
                again.treat_as_withdraw.is_none() && again.discarded.is_empty() && again.more.is_none(),
                "{again:?}"
            );
            assert_eq!(again.attributes.as_ref(), Some(attributes), "four octets: {four_octet}");
            announced.extend(again.announced);
        }
        assert_eq!(announced, update.announced);
        let once = update.announced.iter().collect::<BTreeSet<_>>().len() == update.announced.len();
        if once && (options.ebgp || attributes.local_preference.is_some()) {
            strict::read(&octets, &told(&how), &mut strict::Table::new());
        }
        withdrawals(&update.withdrawn, &how);
    }
}

/// What a reader without mercy lets through of what is written.
fn told(how: &EncodeOptions) -> strict::Told {
    strict::Told {
        four: how.four_octet,
        external: how.ebgp,
        ipv6: true,
        longest: 65_535,
        first: None,
        sets: true,
    }
}

fn withdrawals(withdrawn: &[Prefix], how: &EncodeOptions) {
    let again: Vec<_> = Updates::new(&encode_withdrawals(withdrawn, how), ParseOptions::ALL)
        .flat_map(|update| update.expect("what is written is read").withdrawn)
        .collect();
    let mut sorted = withdrawn.to_vec();
    sorted.sort_by_key(|prefix| prefix.version);
    assert_eq!(again, sorted);
}
