//! Keys as text: the Z85 of ZeroMQ (RFC 32), five characters for four bytes.
//!
//! libzmq has it as well, but takes wrong characters for right ones, and what the zmq crate makes
//! of it leaves copies of the key behind.

use zeroize::Zeroizing;

use super::KEY_LENGTH;

const ALPHABET: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// How many characters a key has.
const TEXT_LENGTH: usize = KEY_LENGTH / 4 * 5;

/// The text of `key`.
pub(super) fn encode(key: &[u8; KEY_LENGTH]) -> Zeroizing<String> {
    // With all its room from the start: a text that grows leaves parts of itself behind.
    let mut text = Zeroizing::new(String::with_capacity(TEXT_LENGTH));
    let (words, _) = key.as_chunks::<4>();
    for word in words {
        let number = u32::from_be_bytes(*word);
        for power in [4, 3, 2, 1, 0] {
            let digit = number / 85_u32.pow(power) % 85;
            text.push(char::from(ALPHABET[digit as usize]));
        }
    }
    text
}

/// The key that `text` is, if it is one.
pub(super) fn decode(text: &str) -> Option<Zeroizing<[u8; KEY_LENGTH]>> {
    let text: &[u8; TEXT_LENGTH] = text.as_bytes().try_into().ok()?;
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    let (words, _) = key.as_chunks_mut::<4>();
    let (groups, _) = text.as_chunks::<5>();
    for (word, group) in words.iter_mut().zip(groups) {
        let mut number: u32 = 0;
        for character in group {
            let digit = ALPHABET.iter().position(|known| known == character)?;
            number = number.checked_mul(85)?.checked_add(u32::try_from(digit).ok()?)?;
        }
        *word = number.to_be_bytes();
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_read_and_written() {
        // RFC 32 has these eight bytes; a key has four times as many.
        let bytes = [0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b].repeat(4);
        let key: [u8; KEY_LENGTH] = bytes.try_into().unwrap();
        let text = "HelloWorld".repeat(4);

        assert_eq!(*encode(&key), text);
        assert_eq!(*decode(&text).unwrap(), key);
    }

    #[test]
    fn every_key_comes_back() {
        for byte in 0..=u8::MAX {
            let mut key = [byte; KEY_LENGTH];
            key[usize::from(byte) % KEY_LENGTH] ^= 0xa5;

            assert_eq!(*decode(&encode(&key)).unwrap(), key);
        }
    }

    #[test]
    fn five_characters_that_are_more_than_four_bytes_are_no_key() {
        // 2^32 - 1, and one more.
        assert!(decode(&"%nSc0".repeat(8)).is_some());
        assert!(decode(&"%nSc1".repeat(8)).is_none());
    }
}
