//! Serial numbers of certificates in one form: lower-case hexadecimal digits without zeros in front.
//!
//! Vault writes the serial number of a client's certificate in decimal digits, and those that it issues in hexadecimal
//! digits with colons (X.509) or without (SSH); other systems have forms of their own.

/// More than RFC 5280 §4.1.2.2 allows (20 bytes) with room for those who do not keep to it.
const DIGITS_MAX: usize = 128;

/// Reads decimal digits; `None` for any other text.
pub(super) fn of_decimal(text: &str) -> Option<String> {
    if text.is_empty() || text.len() > DIGITS_MAX {
        return None;
    }
    // Hexadecimal digits, the last one first.
    let mut digits: Vec<u32> = Vec::new();
    for character in text.chars() {
        let mut carry = character.to_digit(10)?;
        for digit in &mut digits {
            let value = *digit * 10 + carry;
            *digit = value % 16;
            carry = value / 16;
        }
        while carry > 0 {
            digits.push(carry % 16);
            carry /= 16;
        }
    }
    let hex: String = digits.iter().rev().filter_map(|digit| char::from_digit(*digit, 16)).collect();
    Some(if hex.is_empty() { "0".to_owned() } else { hex })
}

/// Reads hexadecimal digits, with colons between bytes or without; `None` for any other text.
pub(super) fn of_hexadecimal(text: &str) -> Option<String> {
    if text.is_empty() || text.len() > DIGITS_MAX {
        return None;
    }
    let digits: String = text.chars().filter(|character| *character != ':').collect();
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    Some(if significant.is_empty() { "0".to_owned() } else { significant.to_ascii_lowercase() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_gives_the_same_digits() {
        for (decimal, hexadecimal, expected) in [
            ("0", "00", "0"),
            ("10", "0A", "a"),
            ("255", "ff", "ff"),
            ("1987366443279549857", "1b:94:8b:40:2a:35:85:a1", "1b948b402a3585a1"),
            (
                "73243374163021316043264043243573243374163",
                "D7:3E:30:C0:BA:EA:8C:E3:06:F4:31:D9:12:85:FD:6A:53",
                "d73e30c0baea8ce306f431d91285fd6a53",
            ),
        ] {
            assert_eq!(of_hexadecimal(hexadecimal).as_deref(), Some(expected));
            assert_eq!(of_decimal(decimal).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let long = "1".repeat(DIGITS_MAX + 1);
        for text in ["", "-1", "0x1f", "1 2", "hmac-sha256:ab", &long] {
            assert_eq!(of_decimal(text), None, "{text}");
            assert_eq!(of_hexadecimal(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn decimal_and_hexadecimal_agree(number: u128) {
            prop_assert_eq!(of_decimal(&number.to_string()), Some(format!("{number:x}")));
            prop_assert_eq!(of_hexadecimal(&format!("{number:032X}")), Some(format!("{number:x}")));
        }
    }
}
