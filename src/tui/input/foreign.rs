//! The keys of keyboards whose letters are not Latin ones, as the Latin keys at the same place of a QWERTY keyboard.
//!
//! A letter stands for one place only: where two layouts have it at different places the one that is named first decides.
//! Layouts with Latin letters need no table: their letters are themselves.

/// What each layout types, and the Latin key at that place. Capitals follow from small letters; only those that do not are
/// listed. Scripts that are written from right to left, and marks that join what stands before them, are given by number.
const LAYOUTS: &[&str] = &[
    // Russian.
    "ё` йq цw уe кr еt нy гu шi щo зp х[ ъ] фa ыs вd аf пg рh оj лk дl ж; э' яz чx сc мv иb тn ьm б, ю.",
    // Ukrainian, where it differs.
    "ґ` ї] іs є'",
    // Belarusian, where it differs.
    "ўo",
    // Greek.
    "ςw εe ρr τt υy θu ιi οo πp αa σs δd φf γg ηh ξj κk λl ζz χx ψc ωv βb νn μm",
    // Greek, with accents.
    "έe ύy ίi όo άa ήh ώv",
    // Hebrew.
    "\u{5e7}e \u{5e8}r \u{5d0}t \u{5d8}y \u{5d5}u \u{5df}i \u{5dd}o \u{5e4}p \u{5e9}a \u{5d3}s \u{5d2}d \u{5db}f \u{5e2}g \u{5d9}h \u{5d7}j \u{5dc}k \u{5da}l \u{5e3}; \u{5d6}z \u{5e1}x \u{5d1}c \u{5d4}v \u{5e0}b \u{5de}n \u{5e6}m \u{5ea}, \u{5e5}.",
    // Arabic.
    "\u{630}` \u{636}q \u{635}w \u{62b}e \u{642}r \u{641}t \u{63a}y \u{639}u \u{647}i \u{62e}o \u{62d}p \u{62c}[ \u{62f}] \u{634}a \u{633}s \u{64a}d \u{628}f \u{644}g \u{627}h \u{62a}j \u{646}k \u{645}l \u{643}; \u{637}' \u{626}z \u{621}x \u{624}c \u{631}v \u{649}n \u{629}m \u{648}, \u{632}. \u{638}/ \u{64e}Q \u{64b}W \u{64f}E \u{64c}R \u{625}Y \u{61b}P \u{650}A \u{64d}S \u{623}H \u{640}J \u{60c}K \u{652}X \u{622}N \u{61f}?",
    // Persian, where it differs.
    "\u{67e}` \u{686}] \u{6cc}d \u{6a9}; \u{6af}'",
    // Georgian.
    "ქq წw ეe რr ტt ყy უu იi ოo პp აa სs დd ფf გg ჰh ჯj კk ლl ზz ხx ცc ვv ბb ნn მm ჭW ღR თT შS ჟJ ძZ ჩC",
    // Armenian.
    "քq ոw եe ռr տt ըy ւu իi օo պp խ[ ծ] աa սs դd ֆf գg հh ճj կk լl զz ղx ցc վv բb նn մm",
    // Korean.
    "ㅂq ㅈw ㄷe ㄱr ㅅt ㅛy ㅕu ㅑi ㅐo ㅔp ㅁa ㄴs ㅇd ㄹf ㅎg ㅗh ㅓj ㅏk ㅣl ㅋz ㅌx ㅊc ㅍv ㅠb ㅜn ㅡm ㅃQ ㅉW ㄸE ㄲR ㅆT ㅒO ㅖP",
    // Thai.
    "\u{e46}q \u{e44}w \u{e33}e \u{e1e}r \u{e30}t \u{e31}y \u{e35}u \u{e23}i \u{e19}o \u{e22}p \u{e1a}[ \u{e25}] \u{e1f}a \u{e2b}s \u{e01}d \u{e14}f \u{e40}g \u{e49}h \u{e48}j \u{e32}k \u{e2a}l \u{e27}; \u{e07}' \u{e1c}z \u{e1b}x \u{e41}c \u{e2d}v \u{e34}b \u{e37}n \u{e17}m \u{e21}, \u{e43}. \u{e1d}/",
];

/// What shift makes of the keys that are no letters, on a QWERTY keyboard.
const SHIFTED: &[(char, char)] = &[('`', '~'), ('[', '{'), (']', '}'), (';', ':'), ('\'', '"'), (',', '<'), ('.', '>'), ('/', '?')];

/// The character at the same place of a QWERTY keyboard; `None` = it is a Latin one already, or its layout is not known.
pub fn latin(typed: char) -> Option<char> {
    if typed.is_ascii() {
        return None;
    }
    // What an input method for Chinese or Japanese types when it is set to wide letters.
    if let '\u{ff01}'..='\u{ff5e}' = typed {
        return char::from_u32(u32::from(typed) - 0xfee0);
    }
    let mut small = typed.to_lowercase();
    match (place(typed), small.next(), small.next()) {
        (Some(key), ..) => Some(key),
        (None, Some(small), None) if small != typed => place(small).map(shifted),
        _ => None,
    }
}

/// The Latin key at the place that types this.
fn place(typed: char) -> Option<char> {
    let keys = LAYOUTS.iter().flat_map(|layout| layout.split(' '));
    keys.filter_map(|key| key.strip_prefix(typed)).find_map(|key| key.chars().next())
}

fn shifted(key: char) -> char {
    SHIFTED.iter().find(|(plain, _)| *plain == key).map_or(key.to_ascii_uppercase(), |(_, shifted)| *shifted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_every_layout_has_one_latin_key_and_each_place_is_named_once() {
        for layout in LAYOUTS {
            let mut places: Vec<char> = Vec::new();
            for key in layout.split(' ') {
                let chars: Vec<char> = key.chars().collect();
                assert_eq!(chars.len(), 2, "{key:?} in {layout}");
                assert!(!chars[0].is_ascii() && chars[1].is_ascii_graphic(), "{key:?} in {layout}");
                assert!(!places.contains(&chars[1]), "{key:?} names its place again in {layout}");
                places.push(chars[1]);
            }
        }
    }

    #[test]
    fn a_letter_of_another_layout_is_the_key_at_its_place_with_and_without_shift() {
        let row = |typed: &str| typed.chars().map(|c| latin(c).unwrap_or(' ')).collect::<String>();
        assert_eq!(row("йцукенгшщзхъ"), "qwertyuiop[]");
        assert_eq!(row("фывапролджэ"), "asdfghjkl;'");
        assert_eq!(row("ячсмитьбю"), "zxcvbnm,.");
        assert_eq!(row("ЙХЪФЖБЮЁё"), "Q{}A:<>~`");
        assert_eq!(row("іїєґІЇ"), "s]'`S}");
        assert_eq!(row("ςερτυθιοπασδφγηξκλζχψωβνμ"), "wertyuiopasdfghjklzxcvbnm");
        assert_eq!(row("ΕΑΣΩάώΉ"), "EASVavH");
        assert_eq!(row("קראטוןםפשדגכעיחלזסבהנמצ"), "ertyuiopasdfghjkzxcvbnm");
        assert_eq!(row("ضصثقفغعهخحشسيبلاتنمئءؤرىة"), "qwertyuiopasdfghjklzxcvnm");
        assert_eq!(row("آ؟کگ"), "N?;'");
        assert_eq!(row("ქწერტყუიოპჭ"), "qwertyuiopW");
        assert_eq!(row("ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔㅁㅡㅃ"), "qwertyuiopamQ");
        assert_eq!(row("ｑＱ？"), "qQ?");
    }

    #[test]
    fn latin_letters_and_what_has_no_known_place_stay_what_they_are() {
        for typed in ['q', 'Z', '/', 'é', 'ß', 'ç', '日', '✔', '€'] {
            assert_eq!(latin(typed), None, "{typed}");
        }
    }
}
