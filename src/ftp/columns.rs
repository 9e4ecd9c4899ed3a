//! Numbers and texts put into lines of listings, of which there are many: without the machinery of `format!`.

/// `number` in decimal, right in `width` columns that `fill` fills.
pub(super) fn put_number(line: &mut Vec<u8>, mut number: u64, width: usize, fill: u8) {
    // u64::MAX has 20 digits.
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        // Less than ten.
        digits[start] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let digits = &digits[start..];
    line.resize(line.len() + width.saturating_sub(digits.len()), fill);
    line.extend_from_slice(digits);
}

/// `number` in hexadecimal.
pub(super) fn put_hex(line: &mut Vec<u8>, number: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let most = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..most).rev() {
        line.extend(DIGITS.get(usize::try_from(number >> (4 * place) & 0xf).unwrap_or(0)));
    }
}

/// `text`, left in `width` columns.
pub(super) fn put_text(line: &mut Vec<u8>, text: &str, width: usize) {
    line.extend_from_slice(text.as_bytes());
    line.resize(line.len() + width.saturating_sub(text.len()), b' ');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut line = b"> ".to_vec();
        put(&mut line);
        String::from_utf8(line).unwrap()
    }

    proptest! {
        #[test]
        fn columns_are_those_of_format(number: u64, width in 0..24_usize, text in "[a-z.@-]{0,12}") {
            prop_assert_eq!(put(|line| put_number(line, number, width, b' ')), format!("> {number:>width$}"));
            prop_assert_eq!(put(|line| put_number(line, number, width, b'0')), format!("> {number:0>width$}"));
            prop_assert_eq!(put(|line| put_hex(line, number)), format!("> {number:x}"));
            prop_assert_eq!(put(|line| put_text(line, &text, width)), format!("> {text:<width$}"));
        }
    }

    #[test]
    fn nothing_is_a_digit_too() {
        assert_eq!(put(|line| put_number(line, 0, 0, b' ')), "> 0");
        assert_eq!(put(|line| put_hex(line, 0)), "> 0");
        assert_eq!(put(|line| put_number(line, u64::MAX, 0, b' ')), format!("> {}", u64::MAX));
        assert_eq!(put(|line| put_hex(line, u64::MAX)), "> ffffffffffffffff");
    }
}
