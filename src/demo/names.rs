//! Names of people who do not exist, from many places.

use super::person::{Beard, Person};
use super::random::Random;

/// Of those who are drawn with a beard.
const BEARDED: [&str; 24] = [
    "Tomasz", "Kwame", "Rafael", "Arjun", "Lars", "Omar", "Diego", "Mehmet", "Hiroshi", "Pavel", "Declan", "Sione",
    "Marco", "Amadou", "Viktor", "Elias", "Joaquín", "Bilal", "Søren", "Thabo", "Anton", "Nikos", "Ravi", "Gustav",
];

/// Of the others.
const OTHERS: [&str; 48] = [
    "Mira", "Ana", "Noor", "Zoë", "Ingrid", "Amara", "Yuki", "Lucía", "Priya", "Freya", "Leila", "Sofia", "Thandiwe",
    "Mei", "Clara", "Fatima", "Hana", "Marisol", "Ewa", "Nia", "Olga", "Salma", "Aroha", "Giulia", "Robin", "Kim",
    "Sasha", "Jules", "Alex", "Noa", "Ariel", "Sam", "Ioana", "Linh", "Ayşe", "Renée", "Tuuli", "Dalia", "Wren",
    "Keiko", "Imani", "Paz", "Vera", "Chidi", "Rosa", "Maeve", "Élodie", "Anouk",
];

const LAST: [&str; 64] = [
    "Okafor",
    "Lindqvist",
    "Moreno",
    "Tanaka",
    "Novak",
    "Haddad",
    "O’Brien",
    "Silva",
    "Nguyễn",
    "Kowalska",
    "Patel",
    "Weber",
    "Ferrari",
    "Mbeki",
    "Johansen",
    "Papadakis",
    "Yılmaz",
    "Dubois",
    "Kim",
    "Ivanova",
    "Santos",
    "Gruber",
    "Farouk",
    "Larsen",
    "Castillo",
    "Mensah",
    "Sato",
    "Horvat",
    "Nakamura",
    "Byrne",
    "Diallo",
    "Rossi",
    "Khan",
    "Petrov",
    "Aalto",
    "Cohen",
    "Reyes",
    "Singh",
    "Vogel",
    "Chen",
    "Adeyemi",
    "Marín",
    "Bianchi",
    "Eriksen",
    "Ouattara",
    "Jansen",
    "Popescu",
    "Wójcik",
    "Tūhoe",
    "Ramos",
    "Schmidt",
    "Abebe",
    "Laurent",
    "Çelik",
    "Bakker",
    "Njoroge",
    "Fischer",
    "Leroy",
    "Hakim",
    "Varga",
    "Quispe",
    "Duarte",
    "Mäkinen",
    "Rahman",
];

/// A name for each, none twice: last names are not shared.
pub(super) fn of(people: &[Person], random: &mut Random) -> Vec<String> {
    let (mut bearded, mut others) = (random.order(BEARDED.len()), random.order(OTHERS.len()));
    let last = random.order(LAST.len());
    let named = people.iter().zip(last).map(|(person, last)| {
        let (from, order): (&[&str], _) =
            if person.beard == Beard::None { (&OTHERS, &mut others) } else { (&BEARDED, &mut bearded) };
        let first = order.pop().unwrap_or_else(|| random.below(from.len()));
        format!("{} {}", from[first], LAST[last])
    });
    named.collect()
}

/// The same person as another clerk would have written it.
pub(super) fn variant(name: &str) -> String {
    let (first, last) = name.split_once(' ').unwrap_or((name, ""));
    let initial: String = first.chars().take(1).collect();
    format!("{last}, {initial}.")
}
