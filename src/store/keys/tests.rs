//! Keys: their order, the names in them, and how they are shown.

use super::*;
use proptest::prelude::*;

fn identifier() -> impl Strategy<Value = Identifier> {
    "[ -~é]{1,4}".prop_map(|text| Identifier::new(&text).unwrap())
}

fn label() -> impl Strategy<Value = ImageLabel> {
    "[ -~é]{1,4}".prop_map(|text| ImageLabel::new(&text).unwrap())
}

proptest! {
    #[test]
    fn the_order_of_keys_is_image_order(a in (identifier(), label()), b in (identifier(), label())) {
        prop_assert_eq!(image(7, &a.0, &a.1).cmp(&image(7, &b.0, &b.1)), a.cmp(&b));
        prop_assert_eq!(image_names(&image(7, &a.0, &a.1)).unwrap(), a.clone());
        let token = Token::generate();
        prop_assert_eq!(staged_names(&staged_image(token, &a.0, &a.1)).unwrap(), a.clone());
        prop_assert!(image(7, &a.0, &a.1).starts_with(&images_of(7, &a.0)));
        if a.0 != b.0 {
            prop_assert!(!image(7, &b.0, &b.1).starts_with(&images_of(7, &a.0)));
        }
    }
}

#[test]
fn a_key_in_a_message_is_printable() {
    assert_eq!(printable(b"ia\0\xffb"), "ia\\x00\\xffb");
}
