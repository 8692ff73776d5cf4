//! Phones and e-mails in a message, and the personal numbers that must not be taken for phones.
//!
//! Accepted phones: the numbering plan of +7 (Russia 3xx, 4xx, 8xx, 9xx; Kazakhstan 7xx), written with +7, 8
//! or bare; other countries in `+CC…` form. Settings may narrow the codes per tenant. A bare number must be
//! parted as people part phones, with no word before it that makes it an order or a document.

use regex::Regex;

/// `+CC` and seven digits more is the shortest phone that is read.
const FEWEST_DIGITS: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `+77051234567`, or the e-mail in lower case.
    pub value: String,
    pub start: usize,
    pub end: usize,
}

/// Finders compiled once.
#[derive(Clone, Debug)]
pub struct Contacts {
    phone: Regex,
    foreign: Regex,
    short: Regex,
    email: Regex,
    twelve: Regex,
    /// "заказ № ": the number after it is no phone, however it is written.
    numbered: Option<Regex>,
    /// "заказ ": the bare number after it is none.
    documents: Option<Regex>,
}

impl Default for Contacts {
    fn default() -> Self {
        let gap = r"[\s().\-–—]{0,3}";
        let compile = |source: &str| Regex::new(source).expect("a constant pattern, covered by tests");
        Self {
            phone: compile(&format!(r"(?:(?:\+?{gap}7|8){gap})?[34789](?:{gap}\d){{9}}")),
            short: compile(&format!(r"(?:\+\s?7|8{gap}7[047])(?:{gap}\d){{6,9}}")),
            foreign: compile(r"\+(?:[1-689])(?:[\s().-]{0,2}\d){7,13}"),
            email: compile(r"(?i)[a-z0-9._%+-]{1,64}@(?:[a-z0-9-]+\.)+[a-z]{2,24}"),
            twelve: compile(r"\d(?:[ -]?\d){11}"),
            numbered: None,
            documents: None,
        }
    }
}

impl Contacts {
    /// `documents`: beginnings of the words whose number is no phone ("заказ", "накладн").
    pub fn with_documents(documents: &[String]) -> Self {
        let words: Vec<String> = documents.iter().map(|word| regex::escape(word)).collect();
        let list = words.join("|");
        let guard = |source: String| {
            (!words.is_empty())
                .then(|| Regex::new(&format!(r"(?i)(?:^|\P{{L}})(?:{source})$")).ok())
                .flatten()
        };
        let (before, after) = (r"номер\s+", r"\s*(?:№|#|номер|n)");
        Self {
            numbered: guard(format!(r"{before}(?:{list})\p{{L}}*[\s:№#]*|(?:{list})\p{{L}}*{after}[\s.:№]*")),
            documents: guard(format!(r"(?:{list})\p{{L}}*[\s:]*")),
            ..Self::default()
        }
    }

    /// A number of a document, or a bare run of digits that no phone is written as.
    fn is_other_number(&self, raw: &str, hit: &regex::Match<'_>, digits: usize) -> bool {
        let before = &raw[..hit.start()];
        let after = |guard: &Option<Regex>| guard.as_ref().is_some_and(|guard| guard.is_match(before));
        if after(&self.numbered) {
            return true;
        }
        if digits > 10 {
            return false;
        }
        let groups: Vec<usize> = hit
            .as_str()
            .split(|c: char| !c.is_ascii_digit())
            .map(str::len)
            .filter(|length| *length > 0)
            .collect();
        let parted = !matches!(groups[..], [1 | 2, ..] | [5, 5]);
        !parted || after(&self.documents)
    }

    /// Every valid phone, in the order of the message.
    pub fn phones(&self, raw: &str) -> Vec<Found> {
        let mut found = Vec::new();
        // Most messages have no number in them; a look at their digits is all they cost.
        if raw.bytes().filter(u8::is_ascii_digit).count() < FEWEST_DIGITS {
            return found;
        }
        let mut from = 0;
        while let Some(hit) = self.phone.find_at(raw, from) {
            let before = raw[..hit.start()].chars().next_back();
            let after = raw[hit.end()..].chars().next();
            let touches_digit = [before, after].into_iter().flatten().any(|c| c.is_ascii_digit());
            let digits: String = hit.as_str().chars().filter(char::is_ascii_digit).collect();
            let national = &digits[digits.len().saturating_sub(10)..];
            // "+7 705 111 22 3" lacks a digit: its nine are no number of ten that begins with 7.
            let cut = hit.as_str().chars().filter(char::is_ascii_digit).count() == 10
                && (raw[..hit.start()].trim_end().ends_with('+')
                    || ["870", "874"].iter().any(|trunk| digits.starts_with(trunk)));
            let count = digits.len();
            if touches_digit
                || cut
                || !plausible(national)
                || is_money(&raw[hit.end()..])
                || self.is_other_number(raw, &hit, count)
            {
                from = raw[hit.start()..]
                    .char_indices()
                    .nth(1)
                    .map_or(raw.len(), |(step, _)| hit.start() + step);
                continue;
            }
            found.push(Found { value: format!("+7{national}"), start: hit.start(), end: hit.end() });
            from = hit.end();
        }
        for hit in self.foreign.find_iter(raw) {
            let digits: String = hit.as_str().chars().filter(char::is_ascii_digit).collect();
            if !found.iter().any(|known: &Found| known.start < hit.end() && hit.start() < known.end) {
                found.push(Found { value: format!("+{digits}"), start: hit.start(), end: hit.end() });
            }
        }
        found.sort_by_key(|phone| phone.start);
        found
    }

    /// A phone begun with its country or trunk digit that lacks one to three digits.
    pub fn has_short_phone(&self, raw: &str) -> bool {
        self.phones(raw).is_empty()
            && self.short.find_iter(raw).any(|hit| {
                let digits = hit.as_str().chars().filter(char::is_ascii_digit).count();
                let before = raw[..hit.start()].chars().next_back();
                let after = raw[hit.end()..].chars().next();
                let touches_digit = [before, after].into_iter().flatten().any(|c| c.is_ascii_digit());
                (8..=10).contains(&digits) && !touches_digit && !is_money(&raw[hit.end()..])
            })
    }

    pub fn emails(&self, raw: &str) -> Vec<Found> {
        let hits = self.email.find_iter(raw);
        hits.map(|hit| Found { value: hit.as_str().to_lowercase(), start: hit.start(), end: hit.end() })
            .collect()
    }

    /// A Kazakhstan personal (IIN) or business (BIN) number with a right date and control digit: (number, is
    /// business).
    pub fn state_number(&self, raw: &str) -> Option<(String, bool)> {
        self.twelve.find_iter(raw).find_map(|hit| {
            let touched = raw[..hit.start()].ends_with(|c: char| c.is_ascii_digit())
                || raw[hit.end()..].starts_with(|c: char| c.is_ascii_digit());
            let digits: String = hit.as_str().chars().filter(char::is_ascii_digit).collect();
            let part = |from: usize, to: usize| digits[from..to].parse::<u8>().unwrap_or(0);
            let month = (1..=12).contains(&part(2, 4));
            let business = (4..=6).contains(&part(4, 5));
            // A person's number goes on with the day of birth and the century with the sex.
            let person = (1..=31).contains(&part(4, 6)) && (0..=6).contains(&part(6, 7));
            (!touched && month && (business || person) && control_digit_holds(&digits))
                .then_some((digits, business))
        })
    }
}

/// Not one digit repeated, not only noughts and ones, not a run up or down, not a round sum.
fn plausible(national: &str) -> bool {
    let same = national.chars().all(|c| national.starts_with(c));
    let binary = national.chars().all(|c| matches!(c, '0' | '1'));
    // "7 000 000 000": a sum.
    let round = national.ends_with("000000");
    !same
        && !round
        && !binary
        && !["1234567890", "0987654321", "9876543210", "7777777777"].contains(&national)
}

fn is_money(rest: &str) -> bool {
    let rest = rest.trim_start().to_lowercase();
    ["тг", "тенге", "₸", "руб", "kzt", "$"].iter().any(|unit| rest.starts_with(unit))
}

/// Weights 1…11; when the remainder is 10, a second pass with 3…11, 1, 2.
fn control_digit_holds(digits: &str) -> bool {
    let digits: Vec<u32> = digits.chars().filter_map(|c| c.to_digit(10)).collect();
    let sum = |weights: [u32; 11]| {
        digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum::<u32>() % 11
    };
    let mut control = sum([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    if control == 10 {
        control = sum([3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]);
    }
    control < 10 && digits.get(11) == Some(&control)
}

/// `+7 705 ••• •• 67`: enough to recognise, not enough to call.
pub fn mask_phone(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    if digits.len() == 11 {
        let part = |from: usize, to: usize| digits[from..to].iter().collect::<String>();
        return format!("+{} {} ••• •• {}", part(0, 1), part(1, 4), part(9, 11));
    }
    let tail: String = digits.iter().skip(digits.len().saturating_sub(2)).collect();
    format!("+{}…{tail}", digits.iter().take(2).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_a_phone_is_read() {
        let contacts = Contacts::default();
        for (text, want) in [
            ("8 705 123 45 67", "+77051234567"),
            ("+7 (777) 123-45-67", "+77771234567"),
            ("87051234567", "+77051234567"),
            ("мой 7051234567 звоните", "+77051234567"),
            ("8-701-555-66-77", "+77015556677"),
            ("+77051234567.", "+77051234567"),
            ("8 (7172) 45-67-89", "+77172456789"),
            ("8 727 312 45 67", "+77273124567"),
            ("8 495 123 45 67", "+74951234567"),
            ("8 800 555 35 35", "+78005553535"),
            ("+7 912 345 67 89", "+79123456789"),
            ("тел:8705 123 4567", "+77051234567"),
            ("8.705.123.45.67", "+77051234567"),
            ("у нас 3 точки, 87471234567", "+77471234567"),
        ] {
            let found: Vec<_> = contacts.phones(text).into_iter().map(|phone| phone.value).collect();
            assert_eq!(found, [want], "{text}");
        }
    }

    #[test]
    fn a_phone_that_lacks_a_digit_is_short_and_no_other_phone() {
        let contacts = Contacts::default();
        for text in
            ["+7(705)111-22-3", "+7 705 111 22 3", "8 705 111 22 3", "мой 870511122", "8 747 111 22 3"]
        {
            assert_eq!(contacts.phones(text), [], "{text}");
            assert!(contacts.has_short_phone(text), "{text}");
        }
        for text in [
            "+7 705 111 22 33",
            "870412300123",
            "8 700 000 тг",
            "8 человек, 70 товаров",
            "8 747",
            "7051112233",
        ] {
            assert!(!contacts.has_short_phone(text), "{text}");
        }
    }

    #[test]
    fn two_phones_are_two() {
        let found = Contacts::default().phones("87051234567 или 87771234568");
        assert_eq!(
            found.iter().map(|phone| phone.value.as_str()).collect::<Vec<_>>(),
            ["+77051234567", "+77771234568"]
        );
    }

    #[test]
    fn what_is_no_phone_is_left_alone() {
        let contacts = Contacts::default();
        for text in [
            "8 111 111 11 11",
            "1234567890",
            "у нас 12 человек и 2 магазина",
            "бюджет 9 000 000 000 тенге",
            "иин 880512345678",
            "2026",
        ] {
            assert!(contacts.phones(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn documents_sums_and_dates_are_no_phones() {
        let words = ["заказ", "накладн", "иин"].map(str::to_owned);
        let contacts = Contacts::with_documents(&words);
        for text in [
            "заказ 7051234567",
            "номер заказа: 87051234567",
            "по накладной № 87051234567",
            "90000/95000",
            "90000-95000 тг",
            "от 45 000 - 87 000",
            "7 000 000 000",
            "иин 870512 300123",
            "карта 4400 4301 2345 6789",
            "с 30.11.2026 12.00",
        ] {
            assert_eq!(contacts.phones(text), [], "{text}");
        }
        for text in ["по заказу, 87051234567", "скиньте заказ 87051234567", "мой номер 7051234567"]
        {
            assert_eq!(contacts.phones(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn state_numbers_need_a_date_and_a_control_digit() {
        let contacts = Contacts::default();
        assert_eq!(contacts.state_number("бин 981140001105"), Some(("981140001105".to_owned(), true)));
        assert_eq!(contacts.state_number("981140001103"), None);
        assert_eq!(contacts.state_number("982140001105 или 9811400011051"), None);
    }

    #[test]
    fn a_mask_shows_the_code_and_the_end() {
        assert_eq!(mask_phone("+77051234567"), "+7 705 ••• •• 67");
    }

    #[test]
    fn emails_need_a_dotted_domain() {
        let contacts = Contacts::default();
        assert_eq!(contacts.emails("пишите на Shop.Almaty@mail.kz")[0].value, "shop.almaty@mail.kz");
        assert!(contacts.emails("a@b").is_empty());
    }
}
