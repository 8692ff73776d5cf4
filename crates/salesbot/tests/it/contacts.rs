//! Every valid phone is captured, and nothing else is taken for one.

use salesbot_dialogue::{DialogueState, Turn};
use serde_json::Value;

use crate::loaded;

/// Kazakhstan: mobile codes, and the city codes of the regions (71x north and west, 72x south and east).
const KAZAKHSTAN: [&str; 15] =
    ["700", "701", "702", "703", "704", "705", "706", "707", "708", "709", "747", "771", "775", "776", "777"];

fn slot(message: &str, name: &str) -> Option<Value> {
    let engine = &loaded().engine;
    let flow = engine.catalog.flow("spin_selling").expect("shipped");
    let state = DialogueState::default();
    let turn = Turn { message, state: &state, flow, now: 0 };
    let read = engine.nlu.understand(&turn, &engine.catalog.intents, engine.options.nlu);
    read.slot(name).cloned()
}

fn phone(message: &str) -> Option<String> {
    slot(message, "contact_info")?["phone"].as_str().map(str::to_owned)
}

fn codes() -> Vec<String> {
    let mut codes: Vec<String> = KAZAKHSTAN.map(str::to_owned).to_vec();
    codes.extend(["778".to_owned(), "750".to_owned(), "760".to_owned()]);
    codes.extend((710..=729).map(|code| code.to_string()));
    codes.extend((900..=999).map(|code| code.to_string()));
    codes.extend(["495", "499", "812", "343", "383", "861"].map(str::to_owned));
    codes
}

#[test]
fn every_code_in_every_way_of_writing_is_captured_and_normalised() {
    // C stands for the code, the rest is 312 45 67.
    let ways = [
        "+7 (C) 312-45-67",
        "+7(C)3124567",
        "+7C3124567",
        "+7 C 312 45 67",
        "+7-C-312-45-67",
        "8C3124567",
        "8 C 312 45 67",
        "8(C)312-45-67",
        "8-C-312-45-67",
        "8.C.312.45.67",
        "8 C 3124567",
        "C3124567",
        "C 312 45 67",
        "C-312-45-67",
        "(C) 312 45 67",
        "тел:8C3124567",
        "мой номер +7 C 312-45-67, звоните после 18",
        "Запишите 8C3124567 Айдар.",
        "давайте 8 C 312 45 67 ватсап",
        "у нас 3 магазина, 12 человек, номер 8C3124567",
    ];
    let mut tried = 0;
    for code in codes() {
        for way in ways {
            let message = way.replace('C', &code);
            assert_eq!(phone(&message), Some(format!("+7{code}3124567")), "{message}");
            tried += 1;
        }
    }
    assert!(tried >= 2_000, "{tried}");
}

#[test]
fn several_contacts_in_one_message_are_all_kept() {
    let message = "87013124567, если не возьму 8 (727) 312-45-99 или na pochtu shop@mail.kz";
    assert_eq!(phone(message).as_deref(), Some("+77013124567"));
    let all = slot(message, "contacts").expect("three contacts");
    assert_eq!(all, serde_json::json!(["+77013124567", "+77273124599", "shop@mail.kz"]));
    assert_eq!(slot("87013124567", "contacts"), None);
}

#[test]
fn foreign_numbers_and_dictated_numbers_are_numbers() {
    assert_eq!(phone("+996 555 123 456").as_deref(), Some("+996555123456"));
    assert_eq!(phone("+998 90 123 45 67").as_deref(), Some("+998901234567"));
    let said = "запишите восемь семьсот один триста двенадцать сорок пять шестьдесят семь";
    assert_eq!(phone(said).as_deref(), Some("+77013124567"));
}

#[test]
fn prices_state_numbers_dates_and_orders_are_no_phones() {
    let messages = [
        "сколько будет 150 000 тг за год",
        "бюджет 7 000 000 000 тенге",
        "в прошлом году оборот 870 000 000",
        "от 90000-95000",
        "90000/95000",
        "цена 45 000 - 87 000 и 120 000",
        "450000 и 870000",
        "79 900 или 99 900?",
        "8 900 000 тг дорого",
        "8 700 000",
        "500 000-700 000 в месяц",
        "иин 880512300124",
        "ИИН: 880512 300124",
        "мой иин 010101550129",
        "бин 981140001105",
        "БИН 9811 4000 1105",
        "рнн 600700123456",
        "12.05.2026 14:30",
        "с 01.02.2026 по 31.12.2026",
        "30.11.2026 12.00",
        "2026-11-22 18-00",
        "8.05.2026 в 9.30",
        "заказ 7051234567",
        "номер заказа 87051234567",
        "заказ №87051234567",
        "накладная № 9001234567",
        "по договору номер 7071234567",
        "штрихкод 4870001234567",
        "штрихкод 4607012345678",
        "карта 4400 4301 2345 6789",
        "серийный номер 9012345678",
        "знм 9012345678",
        "счет KZ12345678901234567890",
        "1234567890",
        "0987654321",
        "7777777777",
        "1111111111",
        "товаров 7500, касс 12, точек 3",
        "у нас 900 позиций и 15 человек",
        "с 9-00 до 18-00 без выходных",
        "9-18",
        "форма 910.00",
        "оквэд 4711 и 4719",
        "окэд 47190 нам подойдет?",
        "windows 7 32 бит 4096 мб",
        "800x600 экран",
        "5 000 000 000 оборот",
        "ip 192.168.100.105",
        "версия 8.3.20.1549",
    ];
    for message in messages {
        assert_eq!(phone(message), None, "{message}");
    }
}

#[test]
fn state_numbers_and_ranges_and_sums_keep_what_was_written() {
    let check = |message: &str, name: &str, want: Value| {
        assert_eq!(slot(message, name), Some(want), "{message}");
    };
    check("иин 880512300124", "iin", "880512300124".into());
    check("бин 981140001105", "bin", "981140001105".into());
    assert_eq!(slot("иин 880512300125", "iin"), None, "the control digit is wrong");
    assert_eq!(slot("иин 881312300124", "iin"), None, "there is no thirteenth month");
    check("нас человек 10-15", "company_size", 10.into());
    check("нас 10-15 человек", "company_size_max", 15.into());
    check("у нас от десяти до пятнадцати сотрудников", "company_size_max", 15.into());
    check("бюджет около 500 долларов", "budget_range", serde_json::json!({"amount": 500, "currency": "USD"}));
    check("бюджет до 300 тысяч", "budget_range", serde_json::json!({"amount": 300_000, "currency": "KZT"}));
}
