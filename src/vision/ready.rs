//! Packs that are ready but for their weights: what is published about models that many have.

/// Names and descriptions, for [`Pack::read`](super::Pack::read); the weights are not part of the program.
pub const READY_PACKS: [(&str, &str); 5] = [
    ("face-reid-retail-0095", include_str!("../../fixtures/packs/face-reid-retail-0095/pack.toml")),
    ("mobilefacenet-y1", include_str!("../../fixtures/packs/mobilefacenet-y1/pack.toml")),
    ("sface", include_str!("../../fixtures/packs/sface/pack.toml")),
    ("buffalo-l", include_str!("../../fixtures/packs/buffalo-l/pack.toml")),
    ("adaface-ir101", include_str!("../../fixtures/packs/adaface-ir101/pack.toml")),
];
