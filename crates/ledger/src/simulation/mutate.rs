//! Changes inputs as someone would who wants a reader to trip: bits, bytes, ranges and numbers of any input, lines and
//! words of a text. It knows no format.

use super::random::Random;

/// Numbers at which length and offset arithmetic breaks.
const EDGES: [u64; 18] = [
    0,
    1,
    2,
    63,
    64,
    255,
    256,
    257,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    1 << 62,
    (1 << 62) + 1,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// Characters that texts trip over: control characters, the dash of signature lines, digits with and without a sign,
/// base64 and its look-alikes.
const CHARACTERS: [&str; 18] = [
    "\n",
    "\n\n",
    "\r\n",
    "\0",
    "\u{7f}",
    "\u{85}",
    "\u{2014} ",
    "\u{2028}",
    "\u{1f600}",
    " ",
    "0",
    "+",
    "-",
    "=",
    "A",
    "_",
    "/",
    "9",
];

/// Changes `bytes` one to eight times; `other` is another good input to take parts from.
pub(super) fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.below(3) * random.below(3) {
        if random.chance(1, 3) && std::str::from_utf8(bytes).is_ok_and(|text| text.contains('\n')) {
            mutate_text(bytes, other, random);
        } else {
            mutate_bytes(bytes, other, random);
        }
    }
}

fn mutate_bytes(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.position(bytes.len());
    let end = (at + 1 + random.position(40)).min(bytes.len());
    match random.below(12) {
        0..3 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
        3 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.number() as u8),
        4 => bytes.truncate(at),
        5 => drop(bytes.drain(at.min(end)..end)),
        6 => {
            let part = bytes[at.min(end)..end].to_vec();
            bytes.splice(at..at, part);
        }
        7 => {
            let mut part = vec![0; 1 + random.position(9)];
            random.fill(&mut part);
            bytes.splice(at..at, part);
        }
        8 => {
            let from = random.position(other.len());
            let part = &other[from..(from + 1 + random.position(200)).min(other.len())];
            let end = (at + part.len()).min(bytes.len());
            bytes.splice(at..end, part.iter().copied());
        }
        9 => bytes[at.min(end)..end].fill(if random.chance(1, 2) { 0 } else { 0xff }),
        _ => put_number(bytes, at, random),
    }
}

/// Puts a number with one, two, four or eight bytes, big-endian, or counts one there up or down.
fn put_number(bytes: &mut [u8], at: usize, random: &mut Random) {
    let width = 1 << random.below(4);
    let Some(place) = bytes.get_mut(at..at + width) else { return };
    let old = place.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let number = match random.below(4) {
        0 => old.wrapping_add(1),
        1 => old.wrapping_sub(1),
        _ => random.choose(&EDGES).copied().unwrap_or_default(),
    };
    place.copy_from_slice(&number.to_be_bytes()[8 - width..]);
}

fn mutate_text(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let at = random.position(lines.len());
    match random.below(7) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => {
            let to = random.position(lines.len());
            lines.swap(at, to);
        }
        3 => {
            let other = String::from_utf8_lossy(other).into_owned();
            let others: Vec<&str> = other.split('\n').collect();
            lines.insert(at, random.choose(&others).copied().unwrap_or_default().to_owned());
        }
        4 => {
            // A number in decimal, with or without what makes it another spelling.
            let number = random.choose(&EDGES).copied().unwrap_or_default();
            let spelling = ["", "0", "+", " "][random.position(4)];
            lines[at] = format!("{spelling}{number}");
        }
        _ => {
            let line = &mut lines[at];
            let places: Vec<usize> =
                line.char_indices().map(|(place, _)| place).chain([line.len()]).collect();
            let place = random.choose(&places).copied().unwrap_or_default();
            let character = random.choose(&CHARACTERS).copied().unwrap_or_default();
            if random.chance(1, 2) {
                line.insert_str(place, character);
            } else {
                let end = line[place..].chars().next().map_or(place, |next| place + next.len_utf8());
                line.replace_range(place..end, character);
            }
        }
    }
    *bytes = lines.join("\n").into_bytes();
}
