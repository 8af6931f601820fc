//! The tables of access: addresses, rules, tokens.

use proptest::prelude::*;

use super::*;

const TOKEN: &str = "correct-horse-battery";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn rule(roles: &[Role], clients: &[&str], identities: &[&str]) -> Rule {
    Rule {
        name: "rule".to_owned(),
        roles: roles.iter().copied().collect(),
        clients: clients.iter().map(|text| text.parse().unwrap()).collect(),
        identities: identities.iter().map(|&text| text.to_owned()).collect(),
    }
}

#[test]
fn r160_by_default_loopback_has_every_role_and_nobody_else_any() {
    let access = Access::by_default(Reach::of(["127.0.0.1:14000".parse().unwrap()]), None);
    for address in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(access.roles(ip(address), None, None), Roles::all(), "{address}");
    }
    for address in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "0.0.0.0"] {
        assert_eq!(access.roles(ip(address), None, None), Roles::NONE, "{address}");
    }
}

#[test]
fn r160_beyond_loopback_everybody_else_has_query() {
    for listen in ["0.0.0.0:14000", "[::]:14000", "10.0.0.1:0"] {
        let access = Access::by_default(Reach::of([listen.parse().unwrap()]), None);
        assert_eq!(access.roles(ip("10.0.0.2"), None, None).to_string(), "Query", "{listen}");
        assert_eq!(access.roles(ip("2001:db8::1"), None, None).to_string(), "Query", "{listen}");
        assert_eq!(access.roles(ip("::1"), None, None), Roles::all());
    }
    let local = ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"].map(|text| text.parse().unwrap());
    assert_eq!(Reach::of(local), Reach::Loopback);
    assert_eq!(Reach::of(["127.0.0.1:1", "192.168.0.1:2"].map(|text| text.parse().unwrap())), Reach::Beyond);
}

#[test]
fn admin_implies_query_and_service_control_implies_service_status() {
    let roles = |role| Roles::from_iter([role]).to_string();
    assert_eq!(roles(Role::Query), "Query");
    assert_eq!(roles(Role::Admin), "Query, Admin");
    assert_eq!(roles(Role::ServiceStatus), "ServiceStatus");
    assert_eq!(roles(Role::ServiceControl), "ServiceStatus, ServiceControl");
    assert_eq!(Roles::NONE.to_string(), "none");
    assert_eq!(Roles::all().iter().collect::<Vec<_>>(), Role::ALL);
}

#[test]
fn clients_are_addresses_networks_patterns_and_two_words() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("*", &["10.0.0.1", "::1", "2001:db8::1"], &[]),
        ("localhost", &["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"], &["10.0.0.1", "::2"]),
        ("10.1.2.3", &["10.1.2.3", "::ffff:10.1.2.3"], &["10.1.2.4", "::a01:203"]),
        ("10.1.*.*", &["10.1.0.0", "10.1.255.9", "::ffff:10.1.2.3"], &["10.2.0.0", "11.1.0.0", "::1"]),
        ("*.*.*.*", &["10.1.0.0", "127.0.0.1"], &["::1", "2001:db8::1"]),
        ("*.0.*.7", &["10.0.9.7", "1.0.0.7"], &["10.0.9.8", "10.1.9.7"]),
        ("10.0.0.0/8", &["10.255.255.255", "10.0.0.0", "::ffff:10.9.9.9"], &["11.0.0.0", "9.255.255.255"]),
        ("10.9.8.7/8", &["10.0.0.1"], &["11.0.0.1"]),
        ("192.168.1.128/25", &["192.168.1.128", "192.168.1.255"], &["192.168.1.127"]),
        ("0.0.0.0/0", &["10.0.0.1", "255.255.255.255"], &["::1"]),
        ("10.1.2.3/32", &["10.1.2.3"], &["10.1.2.2"]),
        ("::/0", &["2001:db8::1", "::1"], &["10.0.0.1", "::ffff:10.0.0.1"]),
        ("fd00::/8", &["fd12::1"], &["fe80::1"]),
        ("::1", &["::1"], &["127.0.0.1"]),
        ("::ffff:10.0.0.0/104", &["10.9.9.9"], &["11.0.0.0", "::a00:1"]),
        ("::ffff:10.1.2.3", &["10.1.2.3"], &["10.1.2.4"]),
    ];
    for (text, inside, outside) in table {
        let clients: Clients = text.parse().unwrap();
        for address in *inside {
            assert!(clients.contains(ip(address)), "{address} is in {text}");
        }
        for address in *outside {
            assert!(!clients.contains(ip(address)), "{address} is not in {text}");
        }
    }
}

#[test]
fn what_names_no_clients_is_refused() {
    for text in [
        "",
        "10.1",
        "10.1.*",
        "10.1.*.*.*",
        "10.1.2*.3",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0.0/a",
        "/8",
        "256.*.*.*",
        ".*.1.2",
        "1.2.3.4:80",
        "[::1]",
        " 10.0.0.1",
        "**",
    ] {
        assert!(matches!(text.parse::<Clients>(), Err(ClientError::Unreadable(_))), "{text}");
    }
    for text in ["10.0.0.0/33", "10.0.0.0/999", "::1/129"] {
        assert!(matches!(text.parse::<Clients>(), Err(ClientError::Bits { .. })), "{text}");
    }
    for text in ["db.example", "host-7", "LOCALHOST.", "a"] {
        assert!(matches!(text.parse::<Clients>(), Err(ClientError::Name(_))), "{text}");
    }
}

#[test]
fn a_client_has_the_roles_of_all_rules_that_match_its_address_or_its_certificate() {
    let access = Access::new(
        vec![
            rule(&[Role::Query], &["10.0.0.0/8"], &[]),
            rule(&[Role::ServiceControl], &["10.1.*.*"], &[]),
            rule(&[Role::Admin], &["192.168.0.1"], &["admin.example.com", "*.ops.example.com"]),
            rule(&[Role::Admin], &[], &[]),
        ],
        None,
    );
    let roles = |address: &str, identity| access.roles(ip(address), None, identity).to_string();
    assert_eq!(roles("10.2.0.1", None), "Query");
    assert_eq!(roles("10.1.0.1", None), "Query, ServiceStatus, ServiceControl");
    assert_eq!(roles("192.168.0.1", None), "Query, Admin");
    assert_eq!(roles("127.0.0.1", None), "none", "with rules exactly these count");
    assert_eq!(roles("8.8.8.8", Some("Admin.Example.com")), "Query, Admin");
    assert_eq!(roles("8.8.8.8", Some("a.ops.example.com")), "Query, Admin");
    for name in ["admin.example.com.evil", "xadmin.example.com", "ops.example.com", ""] {
        assert_eq!(roles("8.8.8.8", Some(name)), "none", "{name}");
    }
}

#[test]
fn with_a_token_nobody_has_a_role_without_it() {
    let access = Access::by_default(Reach::Beyond, Some(Secret::new(TOKEN).unwrap()));
    for wrong in [None, Some(""), Some("correct-horse-batterz"), Some("correct-horse-battery2"), Some("correct-horse")]
    {
        for address in ["127.0.0.1", "::1", "10.0.0.1"] {
            assert_eq!(access.roles(ip(address), wrong, None), Roles::NONE);
        }
    }
    assert_eq!(access.roles(ip("127.0.0.1"), Some(TOKEN), None), Roles::all());
    assert_eq!(access.roles(ip("10.0.0.1"), Some(TOKEN), None).to_string(), "Query");
}

#[test]
fn a_token_that_nobody_asks_for_changes_nothing() {
    let access = Access::by_default(Reach::Loopback, None);
    assert_eq!(access.roles(ip("127.0.0.1"), Some("anything"), None), Roles::all());
}

#[test]
fn a_secret_is_long_enough_sendable_and_never_shown() {
    assert_eq!(Secret::new("fifteen-letters").unwrap_err(), SecretError::Length(15));
    assert_eq!(Secret::new("a".repeat(4097)).unwrap_err(), SecretError::Length(4097));
    for text in ["a token with blanks in", "töken-töken-töken", "line-one-line-two\n"] {
        assert_eq!(Secret::new(text).unwrap_err(), SecretError::Characters);
        assert!(!Secret::new(text).unwrap_err().to_string().contains(text));
    }
    let access = Access::new(Vec::new(), Some(Secret::new(TOKEN).unwrap()));
    let shown = format!("{access:?} {access:#?} {}", Secret::new(TOKEN).unwrap());
    assert!(!shown.contains(TOKEN) && shown.contains("********"), "{shown}");
    assert!(!shown.contains("21"), "nor its length");
}

#[test]
fn a_bearer_token_is_taken_from_its_header() {
    assert_eq!(bearer("Bearer abc"), Some("abc"));
    assert_eq!(bearer(" bearer   abc "), Some("abc"));
    for header in ["Basic abc", "abc", "Bearer", "", "Bearerabc"] {
        assert_eq!(bearer(header), None, "{header}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_of_clients_panic(text in "[0-9a-f.:*/ %x]{0,24}|\\PC{0,24}", address: [u8; 4]) {
        if let Ok(clients) = text.parse::<Clients>() {
            let _ = clients.contains(IpAddr::from(address));
        }
    }

    #[test]
    fn clients_are_read_back_as_they_are_written(address: u32, bits in 0_u8..=32, long: u128, longer in 0_u8..=128) {
        for text in [format!("{}/{bits}", std::net::Ipv4Addr::from_bits(address)), format!("{}/{longer}", std::net::Ipv6Addr::from_bits(long))] {
            let clients: Clients = text.parse().unwrap();
            prop_assert_eq!(clients.to_string().parse::<Clients>().unwrap(), clients);
        }
    }

    #[test]
    fn an_identity_fits_a_pattern_as_a_naive_matcher_says(pattern in "[ab*]{0,6}", name in "[ab]{0,7}") {
        fn naive(pattern: &[u8], name: &[u8]) -> bool {
            match (pattern.split_first(), name.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), _) => naive(rest, name) || !name.is_empty() && naive(pattern, &name[1..]),
                (Some((p, pattern)), Some((n, name))) => p == n && naive(pattern, name),
                _ => false,
            }
        }
        prop_assert_eq!(is_like(&pattern, &name), naive(pattern.as_bytes(), name.as_bytes()));
    }
}
